"""Three cannot agree if one may lie: all short protocols counted, and any one refuted by a run."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest

from quorate.check.census import Census, agrees, census, obeys, protocols
from quorate.check.hexagon import Scene, hexagon
from quorate.cli import run
from quorate.cli.terminal import world_of
from quorate.kernel import Header, UsageError, messages_of
from quorate.kernel.trace import read
from quorate.protocols import build_world
from quorate.sim import replay

TRUST = '''
"""Lieutenants who trust the commander."""

from quorate.kernel import Actor, Context, Message, NodeId, World
from quorate.properties.consensus import Commanded, Decided, agreement, obedience


class Order(Message, frozen=True):
    order: int


class Commander(Actor):
    order: int

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.output(Commanded(str(self.order)))
        ctx.broadcast(("l1", "l2"), Order(self.order))


class Lieutenant(Actor):
    def on_order(self, ctx: Context, src: NodeId, m: Order) -> None:
        if src == "c":
            ctx.output(Decided(str(m.order)))


def world(order: int = 0) -> World:
    return World(
        processes=(Commander("c", order), Lieutenant("l1"), Lieutenant("l2")),
        properties=(agreement, obedience),
    )
'''
ECHO = TRUST.replace("ctx.output(Decided(str(m.order)))", "self.first(ctx, m)").replace(
    "class Lieutenant(Actor):",
    '''class Echo(Message, frozen=True):
    heard: tuple[int, ...]


class Lieutenant(Actor):
    """Three rounds of telling the other all that it has heard; then what most of it says."""

    heard: tuple[int, ...] = ()
    echoes: int = 0

    def on_echo(self, ctx: Context, src: NodeId, m: Echo) -> None:
        self.heard += m.heard
        self.echoes += 1
        if self.echoes < 3:
            self.tell(ctx)
        elif self.echoes == 3:
            ctx.output(Decided(str(int(2 * sum(self.heard) > len(self.heard)))))

    def first(self, ctx: Context, m: Order) -> None:
        self.heard += (m.order,)
        self.tell(ctx)

    def tell(self, ctx: Context) -> None:
        ctx.send("l2" if self.me == "l1" else "l1", Echo(self.heard))
''',
)


def test_of_all_protocols_of_two_rounds_none_withstands_a_traitor() -> None:
    assert census() == Census(protocols=4_096, survive=0, disagree=16, disobey=320, both=3_760)


def test_those_that_obey_are_those_that_trust_the_commander() -> None:
    obedient = [each for each in protocols() if obeys(each)]
    assert {each.rules for each in obedient} == {((0, 0, 1, 1), (0, 0, 1, 1))}
    assert len(obedient) == 16
    assert not any(map(agrees, obedient))


def scenes(
    protocol: str, world: str = "main", inputs: tuple[str, str] = ("0", "1")
) -> tuple[Scene, ...]:
    headers = [
        Header(protocol=protocol, world=world, settings={"order": value}, executor="check")
        for value in inputs
    ]
    one, two = (build_world(h.protocol, h.world, h.settings) for h in headers)
    return hexagon((one, two), (headers[0], headers[1]))


def refuted(found: tuple[Scene, ...]) -> Scene:
    return next(scene for scene in found if scene.staged and scene.staged.violated)


ORDERS = ("attack", "retreat")


def test_oral_messages_are_refuted_by_one_lie() -> None:
    scene = refuted(scenes("byzantine_generals", "three", ORDERS))
    assert scene.staged is not None
    assert (scene.traitor, scene.staged.violated) == ("p3", ("agreement", "obedience"))
    assert [(to, repr(msg)) for to, msg in scene.staged.lies["p3"]] == [("p2", "3:1:retreat")]


def test_the_pairs_that_are_judged_are_the_neighbours_in_the_ring() -> None:
    found = scenes("byzantine_generals", "three", ORDERS)
    assert [scene.loyal for scene in found] == [
        ("p1", "p2"),
        ("p2", "p3"),
        ("p3", "p1"),
        ("p1", "p2"),
        ("p2", "p3"),
        ("p3", "p1"),
    ]
    assert [scene.input for scene in found] == [0, 0, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("text", "traitor", "violated", "lies"),
    [
        (TRUST, "c", ("agreement",), 2),
        (ECHO, "l1", ("obedience",), 3),
    ],
    ids=["trust", "echo"],
)
def test_a_protocol_in_a_file_is_refuted_by_a_run_that_can_be_replayed(
    text: str, traitor: str, violated: tuple[str, ...], lies: int, tmp_path: Path
) -> None:
    path, trace = tmp_path / "mine.py", tmp_path / "trace.json"
    path.write_text(text)
    scene = refuted(scenes(str(path)))
    assert scene.staged is not None
    assert (scene.traitor, scene.staged.violated) == (traitor, violated)
    assert len(scene.staged.lies[traitor]) == lies
    scene.staged.trace.write(trace)
    header = scene.staged.trace.header
    world = world_of(header)
    again = replay(world, read(trace, messages_of(world.processes)))
    assert (again.violated, again.difference) == (violated[0], None)


def test_with_signatures_the_traitor_would_have_to_sign_for_the_commander() -> None:
    found = scenes("signed_generals", "three", ORDERS)
    assert not any(scene.staged and scene.staged.violated for scene in found)
    for scene in found:
        loyal = "p1" in scene.loyal
        assert bool(scene.obstacle) is loyal
        assert not loyal or f"{scene.traitor} cannot use the key of p1" in scene.obstacle


@pytest.mark.parametrize("kind", list(product((0, 1), repeat=2)))
def test_whatever_a_lieutenant_relays_it_is_refuted(kind: tuple[int, int], tmp_path: Path) -> None:
    """Lieutenants who relay by any rule on what they were told, and do what both say or else 0."""
    path = tmp_path / "mine.py"
    path.write_text(
        ECHO.replace("self.echoes < 3", "False")
        .replace("self.echoes == 3", "self.echoes == 1")
        .replace("Echo(self.heard)", f"Echo(({kind}[self.heard[0]],))")
    )
    assert refuted(scenes(str(path))).staged is not None


def test_worlds_of_other_sizes_or_names_are_refused() -> None:
    with pytest.raises(UsageError, match="for 3 processes, and this world has 4"):
        scenes("byzantine_generals", "main", ORDERS)


# The command.


def test_the_command_counts_or_refutes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["impossible"]) == 0
    out = capsys.readouterr().out
    assert all(number in out for number in ("4,096", "16", "320", "3,760"))
    assert run(["impossible", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "protocols": 4096,
        "survive": 0,
        "disagree": 16,
        "disobey": 320,
        "both": 3760,
    }
    trace = tmp_path / "t.json"
    assert run(["impossible", "byzantine_generals", "--trace", str(trace)]) == 0
    out = capsys.readouterr().out
    assert "→ p2 3:1:retreat" in out
    assert max(map(len, out.splitlines())) <= 80
    assert run(["replay", str(trace)]) == 1
    assert "agreement is violated" in capsys.readouterr().out


def test_the_command_says_in_json_what_the_traitor_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["impossible", "byzantine_generals", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["refuted"], data["traitor"]) == (True, "p3")
    assert data["violated"] == ["agreement", "obedience"]
    said = {"type": "Says", "order": "retreat", "path": ["p1", "p3"]}
    assert data["says"] == {"p3": [["p2", said]]}
    assert run(["impossible", "signed_generals", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["refuted"] is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--world", "main"], "name a PROTOCOL to refute"),
        (["paxos"], "say which setting is the input"),
        (["byzantine_generals", "--inputs", "order=a"], "--inputs takes NAME=A,B"),
        (["byzantine_generals", "--world", "main"], "for 3 processes, and this world has 4"),
        (["byzantine_generals", "--inputs", "general=1,2"], "no setting 'general'"),
        (["ben_or", "--set", "nodes=3", "--inputs", "ones=1,2"], "flips coins"),
        (["lease", "--inputs", "nodes=1,2"], "no setting"),
        (["no_such"], "no protocol 'no_such'"),
    ],
)
def test_what_cannot_be_refuted_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["impossible", *arguments]) == 254
    assert message in " ".join(capsys.readouterr().err.split())
