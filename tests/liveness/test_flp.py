"""Fischer, Lynch and Paterson: every protocol takes a horn, and the run that shows it replays."""

from __future__ import annotations

import itertools
import json

import msgspec
import pytest

from meta.source import ROOT
from quorate.check.flp import BLOCKS, DISAGREES, HORNS, NEVER, Dilemma, flp
from quorate.cli import BAD_ARGUMENTS, run
from quorate.kernel import Actor, Context, UsageError, World
from quorate.properties.consensus import Decided
from quorate.protocols import build_world
from quorate.sim import replay

VOTE = str(ROOT / "examples" / "majority_vote.py")
VOTES = ["".join(votes) for votes in itertools.product("01", repeat=3)]


def voting(votes: str) -> World:
    return build_world(VOTE, "main", {"votes": votes})


def found(dilemma: Dilemma) -> list[str]:
    return [horn.name for horn in dilemma.horns if horn.found == "found"]


def assert_replays(world: World, dilemma: Dilemma, violated: str) -> None:
    taken = dilemma.taken
    assert taken is not None
    assert taken.trace is not None
    again = replay(world, taken.trace)
    assert (again.violated, again.difference) == (violated, None)


def test_a_naive_vote_disagrees() -> None:
    dilemma = flp({votes: voting(votes) for votes in VOTES})
    assert found(dilemma) == [DISAGREES]
    assert dilemma.taken is not None
    assert [horn.found for horn in dilemma.horns] == ["found", "excluded", "excluded"]
    assert_replays(voting(str(dilemma.taken.initial)), dilemma, "agreement")


def test_initial_configurations_are_univalent_or_bivalent() -> None:
    """A node decides the lower of its vote and one that it hears, or what both are."""
    dilemma = flp({votes: voting(votes) for votes in VOTES})
    for one in dilemma.initials:
        pairs = itertools.combinations(one.name, 2)
        assert one.decisions == tuple(sorted({min(pair) for pair in pairs}))
        assert one.complete
    assert dilemma.bivalent == ("011", "101", "110")


def test_a_vote_that_waits_for_everyone_blocks() -> None:
    world = voting("011")
    # One name more, of nobody, is one vote more to wait for.
    patient = tuple(
        msgspec.structs.replace(voter, others=(*voter.others, "n0")) for voter in world.processes
    )
    dilemma = flp({"011": msgspec.structs.replace(world, processes=patient)})
    assert found(dilemma) == [BLOCKS]


@pytest.mark.parametrize("world", ["main", "tla"])
def test_two_phase_commit_blocks(world: str) -> None:
    built = build_world("two_phase_commit", world, {"participants": 2})
    dilemma = flp({"begin": built})
    assert found(dilemma) == [BLOCKS]
    assert [horn.found for horn in dilemma.horns] == ["excluded", "found", "excluded"]
    assert dilemma.bivalent == ("begin",)
    assert_replays(built, dilemma, "AC5 termination")


def test_paxos_whose_proposers_duel_never_decides() -> None:
    world = build_world("paxos", "duel")
    dilemma = flp({"begin": world})
    assert found(dilemma) == [NEVER]
    assert dilemma.horns[0].found == "not found"  # in what was explored, which is not all
    assert dilemma.bivalent == ("begin",)
    assert not dilemma.initials[0].complete
    assert_replays(world, dilemma, "termination")
    assert dilemma.taken is not None
    assert dilemma.taken.trace is not None
    assert dilemma.taken.trace.header.loop is not None


class Stubborn(Actor):
    """Decides the same whatever anyone says, which is no agreement to speak of."""

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.output(Decided("0"))


def test_what_can_decide_only_one_way_takes_no_horn() -> None:
    world = World(processes=(Stubborn("a"), Stubborn("b")), properties=())
    dilemma = flp({"begin": world})
    assert [(horn.name, horn.found) for horn in dilemma.horns] == [
        (horn, "excluded") for horn in HORNS
    ]
    assert (dilemma.taken, dilemma.bivalent) == (None, ())


def test_a_bound_excludes_nothing() -> None:
    world = World(processes=(Stubborn("a"),), properties=(), bounds=("one decision",))
    assert {horn.found for horn in flp({"begin": world}).horns} == {"not found"}


def test_a_protocol_that_flips_coins_is_refused() -> None:
    with pytest.raises(UsageError, match="flips coins"):
        flp({"begin": build_world("ben_or", "small")})


def test_the_command_shows_horns_valences_and_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["flp", VOTE, "--inputs", "votes=000,011"]
    assert run(command) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "011                     0, 1         bivalent" in out
    assert "\nNodes disagree:\n" in out
    assert run([*command, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["taken"], data["bivalent"]) == (DISAGREES, ["011"])
    assert run(["flp", VOTE, "--inputs", "000"]) == BAD_ARGUMENTS
    assert run(["flp", VOTE, "--inputs", "votes=000"]) == 2
