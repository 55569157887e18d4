"""Where two-phase commit blocks and three-phase commit breaks, and Paxos Commit does neither.

First every single crash of a run without other faults, at every step of every node and after each
of the messages that the step sends; and every message of it lost, doubled or late. Then the rows of
faults that take more than one, or a disk, or a partition.

Source of the rows: Gray and Lamport, TODS 31(1) 2006, section 3.3 and 4; Bernstein, Hadzilacos and
Goodman, 1987, section 7.4 and 7.5; Skeen, SIGMOD 1981.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from quorate.kernel import Actor, Context, World
from quorate.mutants import swapped
from quorate.properties.commit import Outcome, ending
from quorate.protocols import build_world, three_phase_commit
from quorate.sim.exact import Down, Fate, Fault, Moment, Pause, Ran, Split, run_exactly

TWO, THREE, PAXOS = "two_phase_commit", "three_phase_commit", "paxos_commit"
ASKS = "cooperative_termination"
BACK_MS = 8_000
BACK: dict[str, Any] = {"back_ms": BACK_MS}
LATE_MS = 5_000
UNTIL_MS = 20_000


def run(protocol: str, faults: tuple[Fault, ...] = (), /, **settings: Any) -> Ran:
    return run_exactly(build_world(protocol, settings=settings), faults, UNTIL_MS)


def settings_of(protocol: str, **more: Any) -> dict[str, Any]:
    apart = {"apart": True} if protocol == PAXOS else {}
    return {"participants": 2, **apart, **more}


def end(protocol: str, *faults: Fault, **settings: Any) -> str:
    """How a run of two participants ends, unless settings ask for more; Paxos Commit has each role
    on a node of its own, and three acceptors."""
    ran = run(protocol, faults, **settings_of(protocol, **settings))
    how = ending(ran.judge.view())
    assert (how == "inconsistent") == bool(ran.judge.broken)
    return how


def at(node: str, event: str, nth: int = 1) -> Moment:
    return Moment(node=node, event=event, nth=nth)


def down(node: str, event: str, nth: int = 1, **how: Any) -> Down:
    return Down(at=at(node, event, nth), **how)


def crashes(
    protocol: str, first: Down | None = None, nodes: tuple[str, ...] = (), **settings: Any
) -> Iterator[Down]:
    return crashes_of(build_world(protocol, settings=settings), first, nodes)


def crashes_of(
    world: World, first: Down | None = None, nodes: tuple[str, ...] = ()
) -> Iterator[Down]:
    """Each node down at each of its steps: before it, after each number of its sends, after it.
    Of a run without other faults, or after the `first`; of all nodes, or only of some."""
    steps = run_exactly(world, (), UNTIL_MS).steps
    if first is not None:
        before = [moment for moment, _ in steps].index(first.at)
        steps = run_exactly(world, (first,), UNTIL_MS).steps[before:]
    for moment, sends in steps:
        if (nodes and moment.node not in nodes) or (first and moment == first.at):
            continue
        if moment.event != "start":
            yield Down(at=moment, before=True)
        yield from (Down(at=moment, sent=sent) for sent in range(sends))
        yield Down(at=moment)


# Every single crash.


@pytest.mark.parametrize("participants", [1, 2, 4])
def test_2pc_blocks_exactly_where_the_coordinator_stops_before_all_are_told(
    participants: int,
) -> None:
    told = Down(at=at("tm", "commit"))
    for crash in crashes(TWO, participants=participants):
        how = end(TWO, crash, participants=participants)
        if crash.at.node == "tm" and crash != told:
            assert how == "blocks", crash
            back = msgspec.structs.replace(crash, back_ms=BACK_MS)
            decided = crash.at.event == "commit" and not crash.before
            after = "commits" if decided else "aborts"
            assert end(TWO, back, participants=participants) == after, crash
        else:
            assert how in ("commits", "aborts"), crash


@pytest.mark.parametrize("participants", [1, 2, 3])
def test_who_asks_the_others_is_blocked_only_while_all_of_them_are_uncertain(
    participants: int,
) -> None:
    # It helps once one of them knows: one that has not voted, and aborts, or one that was told.
    for crash in crashes(ASKS, participants=participants):
        ran = run(ASKS, (crash,), participants=participants)
        all_voted = len([m for m in ran.messages if m.message == "Prepared"]) == participants
        told = any(m.message in ("Commit", "Abort") for m in ran.messages)
        blocked = ending(ran.judge.view()) == "blocks"
        assert blocked == (crash.at.node == "tm" and all_voted and not told), crash


@pytest.mark.parametrize("protocol", [THREE, PAXOS])
@pytest.mark.parametrize("participants", [1, 2, 3, 5])
def test_3pc_and_paxos_commit_block_nowhere(protocol: str, participants: int) -> None:
    settings = settings_of(protocol, participants=participants)
    ends = {end(protocol, crash, **settings) for crash in crashes(protocol, **settings)}
    assert ends == {"commits", "aborts"}


@pytest.mark.slow
def test_3pc_survives_every_two_crashes_of_a_run_with_timely_messages() -> None:
    settings = {"participants": 3}
    for one in crashes(THREE, **settings):
        for two in crashes(THREE, one, **settings):
            assert end(THREE, one, two, **settings) in ("commits", "aborts"), (one, two)


@pytest.mark.slow
@pytest.mark.parametrize("back_ms", [1, LATE_MS])
def test_3pc_survives_every_two_crashes_of_nodes_that_come_back(back_ms: int) -> None:
    # As many as there are participants: a total failure is among them.
    for one in crashes(THREE, participants=2):
        first = msgspec.structs.replace(one, back_ms=back_ms)
        for other in crashes(THREE, first, participants=2):
            for two in (other, msgspec.structs.replace(other, back_ms=BACK_MS)):
                alone = two.back_ms is None and {one.at.node, two.at.node} == {"rm1", "rm2"}
                ends = ("commits", "aborts", "blocks") if alone else ("commits", "aborts")
                assert end(THREE, first, two) in ends, (first, two)


class CommitsUnacknowledged(three_phase_commit.Coordinator):
    def on_timer(self, ctx: Context, timer: str) -> None:
        three_phase_commit.Coordinator.on_timer(self, ctx, timer)
        if timer == "commit":
            self.decide(ctx, Outcome.COMMITTED)


class FinishesUnacknowledged(three_phase_commit.Participant):
    def conclude(self, ctx: Context) -> None:
        three_phase_commit.Participant.conclude(self, ctx)
        if self.unacknowledged and self.outcome is None:
            self.finish(ctx, Outcome.COMMITTED)


@pytest.mark.slow
@pytest.mark.parametrize("without", [CommitsUnacknowledged, FinishesUnacknowledged])
def test_3pc_survives_the_same_without_the_wait_for_acknowledgements(without: type[Actor]) -> None:
    # If nobody comes back, whatever has been sent arrives before anybody takes over, acknowledged
    # or not. Without the phase itself, one crash is enough.
    world = swapped(three_phase_commit.world(2), without)
    for one in crashes_of(world):
        for two in crashes_of(world, one):
            ran = run_exactly(world, (one, two), UNTIL_MS)
            assert ending(ran.judge.view()) in ("commits", "aborts"), (one, two)
    mutant = build_world(THREE, mutant="commits_at_once", settings={"participants": 2})
    crash = down("tm", "commit", sent=0)
    assert ending(run_exactly(mutant, [crash], UNTIL_MS).judge.view()) == "inconsistent"


@pytest.mark.slow
@pytest.mark.parametrize("faults", [1, 2])
def test_paxos_commit_survives_its_leader_and_any_acceptors_that_it_tolerates(faults: int) -> None:
    settings = settings_of(PAXOS, faults=faults)
    used = tuple(f"a{i}" for i in range(1, faults + 2))
    for one in crashes(PAXOS, nodes=("l1",) if faults == 1 else used, **settings):
        for two in crashes(PAXOS, one, nodes=used, **settings):
            assert end(PAXOS, one, two, **settings) in ("commits", "aborts"), (one, two)


# Rows of crashes: what fails, and how a run then ends. Where it blocks, all who failed come back
# after a while, and the second word is how it ends then.

ROWS: dict[str, dict[str, list[tuple[str, tuple[Fault, ...], dict[str, Any]]]]] = {}


def row(what: str, protocol: str, ends: str, *faults: Fault, **settings: Any) -> None:
    ROWS.setdefault(what, {}).setdefault(protocol, []).append((ends, faults, settings))


ROW = "1 a participant, before it writes that it is prepared"
for back in (None, 100, LATE_MS):
    row(ROW, TWO, "aborts", down("rm2", "Prepare", before=True, back_ms=back))
    row(ROW, PAXOS, "aborts", down("rm2", "Prepare", before=True, back_ms=back))
    row(ROW, THREE, "aborts", down("rm2", "Prepare", before=True, back_ms=back))

ROW = "2 a participant, after it writes that it is prepared, before it says so"
for back, ends in ((None, "aborts"), (LATE_MS, "aborts"), (100, "commits")):  # 100: in time
    row(ROW, TWO, ends, down("rm2", "Prepare", sent=0, back_ms=back))
    row(ROW, PAXOS, "aborts", down("rm2", "Prepare", sent=0, back_ms=back))
    row(ROW, THREE, "aborts", down("rm2", "Prepare", sent=0, back_ms=back))
row(ROW, PAXOS, "commits", down("rm2", "Prepare", sent=1, back_ms=None))  # one acceptor knows

ROW = "3 a participant, between its vote and the outcome"
for back in (None, 100, LATE_MS):
    row(ROW, TWO, "commits", down("rm2", "Prepare", back_ms=back))
    row(ROW, PAXOS, "commits", down("rm2", "Prepare", back_ms=back))
    row(ROW, THREE, "commits", down("rm2", "Prepare", back_ms=back))

ROW = "4 a participant, while it commits"
for back in (None, 100, LATE_MS):
    for before in (True, False):
        row(ROW, TWO, "commits", down("rm2", "Commit", before=before, back_ms=back))
        row(ROW, PAXOS, "commits", down("rm2", "Commit", before=before, back_ms=back))
        row(ROW, THREE, "commits", down("rm2", "Commit", before=before, back_ms=back))

ROW = "5 the coordinator, before it asks anybody to prepare"
row(ROW, TWO, "blocks aborts", down("tm", "Prepared", before=True))
row(ROW, THREE, "aborts", down("tm", "Prepared", before=True))
row(ROW, PAXOS, "commits", down("l1", "Inquire", before=True))  # another leader asks them

ROW = "6 the coordinator, with some of the votes"
row(ROW, TWO, "blocks aborts", down("tm", "Prepared", 2), participants=3)
row(ROW, THREE, "aborts", down("tm", "Prepared", 2), participants=3)
row(ROW, PAXOS, "commits", down("l1", "Inquire", sent=1), participants=3)
row(
    ROW,
    PAXOS,
    "aborts",
    down("l1", "Inquire", sent=1),
    down("rm3", "Prepare", before=True),
    participants=3,
)

ROW = "7 the coordinator, with all of the votes, before it writes its decision"
row(ROW, TWO, "blocks aborts", down("tm", "Prepared", 2))
row(ROW, THREE, "aborts", down("tm", "Prepared", 2))
row(ROW, PAXOS, "commits", down("l1", "Accepted", 1, before=True))
row(ROW, PAXOS, "commits", down("l1", "Accepted", 2, before=True))

ROW = "8 the coordinator, after it writes its decision, before it tells anybody"
row(ROW, TWO, "blocks commits", down("tm", "commit", sent=0))
row(ROW, THREE, "aborts", down("tm", "commit", sent=0))
row(ROW, THREE, "commits", down("tm", "Ack", 2, sent=0))
row(ROW, PAXOS, "commits", down("l1", "Accepted", 2, sent=0))

ROW = "9 the coordinator, after it has told one participant"
row(ROW, TWO, "blocks commits", down("tm", "commit", sent=1))
row(ROW, ASKS, "commits", down("tm", "commit", sent=1))  # who was not told asks who was
row(ROW, THREE, "commits", down("tm", "Ack", 2, sent=1))
row(ROW, PAXOS, "commits", down("l1", "Accepted", 2, sent=1))

ROW = "10 the coordinator, and the one participant that it has told"
row(ROW, TWO, "blocks commits", down("tm", "commit", sent=1), down("rm1", "Commit"))
row(ROW, ASKS, "blocks commits", down("tm", "commit", sent=1), down("rm1", "Commit"))
row(ROW, ASKS, "commits", down("tm", "commit", sent=1), down("rm1", "Commit", **BACK))
row(ROW, TWO, "blocks commits", down("tm", "commit", sent=1), down("rm1", "Commit", **BACK))
row(ROW, THREE, "commits", down("tm", "Ack", 2, sent=1), down("rm1", "Commit"))
row(ROW, PAXOS, "commits", down("l1", "Accepted", 2, sent=1), down("rm1", "Commit"))

ROW = "11 the coordinator, and its disk"
LOST: dict[str, Any] = {"back_ms": 100, "loses_disk": True}
row(ROW, TWO, "inconsistent", down("tm", "commit", sent=1, **LOST))
row(ROW, THREE, "commits", down("tm", "Ack", 2, sent=1))  # for good
row(ROW, THREE, "inconsistent", down("tm", "Ack", 2, sent=1, **LOST))
row(ROW, PAXOS, "commits", down("l1", "Accepted", 2, sent=1, **LOST))
row(ROW, PAXOS, "commits", down("n1", "Accepted", 1, sent=1), apart=False)  # and an acceptor's

ROW = "12 the coordinator, after it has told one participant that it will commit"
row(ROW, THREE, "commits", down("tm", "commit", sent=1))
row(ROW, THREE, "commits", down("tm", "commit", sent=1), participants=3)
row(ROW, THREE, "commits", down("tm", "commit", sent=2), participants=3)

ROW = "13 everybody"
VOTED = (down("rm1", "prepare"), down("rm2", "Prepare"), down("tm", "Prepared", 2))
KNOWS = (down("rm1", "PreCommit"), down("rm2", "PreCommit"), down("tm", "Ack", 2, sent=0))
SOME_KNOW = (down("tm", "commit", sent=1), down("rm1", "PreCommit"), down("rm2", "suspect"))
for faults, ends in ((VOTED, "aborts"), (KNOWS, "commits"), (SOME_KNOW, "commits")):
    participants = [fault for fault in faults if fault.at.node != "tm"]
    for last in participants:  # all who are back wait for the last of them, but not for tm
        back = (msgspec.structs.replace(one, **BACK) for one in participants if one is not last)
        tm = [fault for fault in faults if fault.at.node == "tm"]
        row(ROW, THREE, f"blocks {ends}", *tm, last, *back)
    row(ROW, THREE, ends, *tm, *(msgspec.structs.replace(one, **BACK) for one in participants))
row(
    ROW,
    PAXOS,
    "commits",
    *(down(name, "prepare" if name == "rm1" else "Prepare", **BACK) for name in ("rm1", "rm2")),
    *(down(name, "Vote", 2, sent=0, **BACK) for name in ("a1", "a2")),
    down("a3", "start", **BACK),
    down("l1", "Inquire", **BACK),
    down("l2", "start", **BACK),
)

ROW = "14 as many acceptors as it tolerates"
for event, nth in (("start", 1), ("Vote", 1), ("Vote", 2)):
    for name in ("a1", "a2"):
        row(ROW, PAXOS, "commits", down(name, event, nth))
for name in ("a1", "a2"):
    row(ROW, PAXOS, "commits", down(name, "Vote", 2, sent=0))
row(ROW, PAXOS, "commits", down("a3", "start"))

ROW = "15 one acceptor more than it tolerates"
for how, after in (({"before": True}, "aborts"), ({"sent": 0}, "commits")):
    both = (down("a1", "Vote", 2, **how), down("a2", "Vote", 2, **how))
    row(ROW, PAXOS, f"blocks {after}", *both)

ROW = "16 an acceptor, and its disk"
AMNESIA = (
    down("l1", "Accepted", 2, sent=1),  # rm1 commits
    Fate(arrives_ms=(), to="a1", message="Lead"),  # a1 is too slow for the next ballot
)
row(ROW, PAXOS, "inconsistent", *AMNESIA, down("a2", "Vote", 2, **LOST))
row(ROW, PAXOS, "commits", *AMNESIA, down("a2", "Vote", 2, back_ms=100))

ROW = "17 an acceptor, after it writes its votes, before it says so"
for name in ("a1", "a2"):
    row(ROW, PAXOS, "commits", down(name, "Vote", 2, sent=0, back_ms=100))

ROW = "18 nobody, but the coordinator is taken to have failed: two lead"
# Two-phase commit has no rule by which another leads: they wait. One that led with a log of its own
# would be the coordinator that has lost its disk, of row 11.
row(ROW, TWO, "commits", Fate(arrives_ms=(LATE_MS,), message="Commit"))
SLOW = Fate(arrives_ms=(LATE_MS,), message="PreCommit", in_order=True)
row(ROW, THREE, "aborts", SLOW)  # it commits only if somebody has acknowledged
row(ROW, THREE, "inconsistent", msgspec.structs.replace(SLOW, to="rm1"), asks=False)
UNHEARD = (Fate(arrives_ms=(), message="Accepted", src=name, nth=1) for name in ("a1", "a2"))
row(ROW, PAXOS, "commits", *UNHEARD)

ROW = "19 nobody, but a coordinator is paused until another has ended the transaction"
row(ROW, TWO, "commits", Pause(at=at("tm", "Prepared", 2), pause_ms=LATE_MS))  # they wait
row(ROW, THREE, "aborts", Pause(at=at("tm", "Prepared", 2), pause_ms=LATE_MS))
row(
    ROW,
    THREE,
    "inconsistent",
    Fate(arrives_ms=(), message="PreCommit", to="rm2"),
    *(Pause(at=at(*one), pause_ms=LATE_MS) for one in (("tm", "Ack"), ("rm1", "PreCommit"))),
)
OLD = (Pause(at=at("l1", "lead"), pause_ms=LATE_MS), down("rm2", "Prepare", before=True))
row(ROW, PAXOS, "aborts", *OLD)

# Rows of the network. Where it blocks it is healed later, and that is how it ends then.

RM3 = frozenset({"rm3"})
ALONE = Split(side=frozenset({"rm1"}), since_ms=3)

ROW = "a Prepare that comes after the Abort"
SLOW = Fate(arrives_ms=(900,), message="Prepare", to="rm2")  # but before it has aborted by itself
FIRST = Fate(arrives_ms=(), message="Abort", to="rm2", nth=1)
for protocol in (TWO, THREE, PAXOS):
    row(ROW, protocol, "aborts", SLOW)
    row(ROW, protocol, "aborts", SLOW, FIRST)

ROW = "a PreCommit that is late, if links keep the order"
for to in ("rm1", "rm2"):
    late = Fate(arrives_ms=(LATE_MS,), message="PreCommit", to=to, in_order=True)
    row(ROW, THREE, "inconsistent", late, asks=False)
    row(ROW, THREE, "commits", late)
    for silent in (Fate(arrives_ms=(LATE_MS,), message=kind) for kind in ("Ask", "State")):
        row(ROW, THREE, "inconsistent", late, silent)

ROW = "a partition, the coordinator with a majority"
for side in (RM3, frozenset({"tm", "rm1", "rm2"})):
    row(ROW, TWO, "blocks commits", Split(side=side, since_ms=3), participants=3)
    row(ROW, THREE, "inconsistent", Split(side=side, since_ms=3), participants=3)
row(ROW, PAXOS, "blocks commits", Split(side=RM3, since_ms=3), participants=3)
row(ROW, THREE, "inconsistent", ALONE)  # one participant, when PreCommit is on its way

ROW = "a partition, the coordinator with a minority"
row(ROW, TWO, "blocks aborts", Split(side=frozenset({"tm"}), since_ms=2))
row(ROW, TWO, "blocks commits", Split(side=frozenset({"tm"}), since_ms=3))
row(ROW, THREE, "inconsistent", Split(side=frozenset({"tm", "rm1"}), since_ms=3), participants=3)
FEW = frozenset({"l1", "a1", "rm1"})
row(ROW, PAXOS, "blocks commits", Split(side=FEW, since_ms=3))

ROW = "a partition that leaves no majority"
ALONE_2 = Split(side=frozenset({"rm2"}), since_ms=3)
ISLANDS = [Split(side=frozenset({name}), since_ms=3) for name in ("tm", "rm1", "rm2")]
row(ROW, TWO, "blocks commits", *ISLANDS)
row(ROW, THREE, "aborts", *ISLANDS)  # no PreCommit arrives, and so none is acknowledged
ALL_BUT_ONE_KNOW = (Split(side=frozenset({"tm"}), since_ms=5), ALONE_2)
row(ROW, THREE, "inconsistent", *ALL_BUT_ONE_KNOW)
APART = (Split(side=frozenset({name}), since_ms=1) for name in ("a1", "a2", "a3"))
row(ROW, PAXOS, "blocks aborts", *APART)

ROW = "a link that carries in one direction only"
row(ROW, TWO, "aborts", Split(side=frozenset({"rm2"}), mute=True))
row(ROW, TWO, "blocks commits", Split(side=frozenset({"tm"}), mute=True, since_ms=3))
row(ROW, THREE, "aborts", Split(side=frozenset({"tm"}), mute=True, since_ms=3))
row(ROW, THREE, "inconsistent", Split(side=frozenset({"tm", "rm2"}), mute=True, since_ms=3))
row(ROW, PAXOS, "commits", Split(side=frozenset({"l1"}), mute=True, since_ms=2))
row(ROW, PAXOS, "commits", Split(side=frozenset({"a1"}), mute=True))

LATER: dict[str, Any] = {"back_ms": 10_000}  # when those who came back before have ended
ALONE_KNOWS = (
    down("tm", "Ack", 2, sent=0, **LATER),  # it has committed
    down("rm1", "PreCommit", **BACK),
    down("rm2", "PreCommit", **BACK),
)


def test_3pc_is_inconsistent_after_a_total_failure_if_precommit_was_not_logged() -> None:
    forgetful = build_world(THREE, mutant="forgets_precommit")
    for world, how in ((three_phase_commit.small(), "commits"), (forgetful, "inconsistent")):
        assert ending(run_exactly(world, ALONE_KNOWS, UNTIL_MS).judge.view()) == how


class ForgetsConclusion(three_phase_commit.Participant):
    concluded: Outcome | None = None


class TakesPart(three_phase_commit.Participant):
    def on_ask(self, ctx: Context, src: str, m: three_phase_commit.Ask) -> None:
        ctx.send(src, three_phase_commit.State(self.standing))


# tm stops when it has told rm1, which stops as well; rm2 aborts, and stops before it says so.
ONE_KNOWS = (down("tm", "commit", sent=1), down("rm1", "PreCommit", back_ms=LATE_MS))
GUARDS: list[tuple[type[Actor], int, tuple[Fault, ...]]] = [
    (ForgetsConclusion, 2, (*ONE_KNOWS, down("rm2", "collect", sent=0, **BACK))),
    (TakesPart, 3, (*ONE_KNOWS, down("rm2", "collect", sent=0))),
]


@pytest.mark.parametrize(("without", "participants", "faults"), GUARDS)
def test_3pc_is_inconsistent_if_who_has_been_gone_takes_part_or_forgets_what_it_ended(
    without: type[Actor], participants: int, faults: tuple[Fault, ...]
) -> None:
    world = three_phase_commit.world(participants)
    for one, how in ((world, "aborts"), (swapped(world, without), "inconsistent")):
        assert ending(run_exactly(one, faults, UNTIL_MS).judge.view()) == how


CELLS = [(what, protocol) for what, cells in ROWS.items() for protocol in cells]


@pytest.mark.parametrize(("what", "protocol"), CELLS, ids=lambda text: text.replace(" ", "_"))
def test_a_row_ends_as_the_papers_say(what: str, protocol: str) -> None:
    for ends, faults, settings in ROWS[what][protocol]:
        first, _, after = ends.partition(" ")
        assert end(protocol, *faults, **settings) == first, faults
        if after:
            assert end(protocol, *map(repaired, faults), **settings) == after, faults


def repaired(fault: Fault) -> Fault:
    """The same, but it does not last for ever."""
    if isinstance(fault, Down):
        return msgspec.structs.replace(fault, **BACK)
    if isinstance(fault, Split):
        return msgspec.structs.replace(fault, until_ms=BACK_MS)
    return fault


# Every single message.


@pytest.mark.parametrize("protocol", [TWO, THREE, PAXOS])
@pytest.mark.parametrize("arrives_ms", [(), (LATE_MS,), (1, 1), (1, LATE_MS)])
def test_no_single_message_blocks_or_breaks_any_of_them(
    protocol: str, arrives_ms: tuple[int, ...]
) -> None:
    missing = 1 not in arrives_ms
    for message in run(protocol, **settings_of(protocol)).messages:
        fate = msgspec.structs.replace(message, arrives_ms=arrives_ms)
        # Three-phase commit repeats no message: who is not heard in time has not voted.
        lapses = protocol == THREE and missing and message.message in ("Prepare", "Prepared")
        assert end(protocol, fate) == ("aborts" if lapses else "commits"), fate


@pytest.mark.parametrize("asks", [True, False])
def test_3pc_breaks_by_one_late_message_or_if_its_nodes_ask_each_other_by_two(asks: bool) -> None:
    """Where links keep the order, as TCP does; all sets of late messages that break it."""
    world = build_world(THREE, settings={"participants": 2, "asks": asks})
    broken: set[frozenset[str]] = set()

    def delay(faults: tuple[Fate, ...], first: int, more: int) -> None:
        ran = run_exactly(world, faults, UNTIL_MS)
        if ending(ran.judge.view()) == "inconsistent":
            broken.add(frozenset(f"{fate.message} {fate.src} {fate.to}" for fate in faults))
        elif more:
            for index, fate in enumerate(ran.messages[first:], first + 1):
                late = msgspec.structs.replace(fate, arrives_ms=(LATE_MS,), in_order=True)
                delay((*faults, late), index, more - 1)

    delay((), 0, 2)
    one, two = "PreCommit tm rm1", "PreCommit tm rm2"
    assert broken == (
        {
            *(frozenset({one, other}) for other in ("Ask rm1 rm2", "State rm2 rm1")),
            *(frozenset({two, other}) for other in ("Ask rm2 rm1", "State rm1 rm2")),
        }
        if asks
        else {frozenset({one}), frozenset({two})}
    )
