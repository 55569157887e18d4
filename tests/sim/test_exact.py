"""A run in which nothing is drawn: faults strike where they are told to, or the run is refused."""

from __future__ import annotations

import msgspec
import pytest

from quorate.kernel import UsageError, World
from quorate.properties.commit import ending
from quorate.protocols import build_world
from quorate.protocols.two_phase_commit import INQUIRE_MS
from quorate.sim.exact import Down, Fate, Fault, Moment, Pause, Ran, Split, run_exactly

WORLD = build_world("two_phase_commit", settings={"participants": 2})
COMMITS = Moment(node="tm", event="commit")


def ran(*faults: Fault, world: World = WORLD) -> Ran:
    return run_exactly(world, faults)


def lines(run: Ran, node: str) -> list[str]:
    return [record.line.partition(" | ")[0] for record in run.trace.records if record.node == node]


def times_ms(run: Ran, line: str) -> list[int]:
    return [r.at_us // 1_000 for r in run.trace.records if r.line.startswith(line)]


def test_two_runs_are_alike_to_the_microsecond() -> None:
    assert ran().trace == ran().trace
    assert (ending(ran().judge.view()), ran().changed_ms) == ("commits", 4)


def test_steps_and_messages_are_named_as_faults_name_them() -> None:
    quiet = ran()
    assert (COMMITS, 2) in quiet.steps
    assert Fate(arrives_ms=(1,), message="Prepared", src="rm2", to="tm", nth=1) in quiet.messages
    assert len(quiet.messages) == 3 * 2 - 1


@pytest.mark.parametrize(
    ("down", "told"),
    [
        (Down(at=COMMITS, before=True), 0),
        (Down(at=COMMITS, sent=0), 0),
        (Down(at=COMMITS, sent=1), 1),
        (Down(at=COMMITS), 2),
    ],
)
def test_a_node_goes_down_before_a_step_or_within_it_or_after_it(down: Down, told: int) -> None:
    run = ran(down)
    assert len([fate for fate in run.messages if fate.message == "Commit"]) == told
    assert lines(run, "tm")[-1].startswith("tm crash")


def test_what_a_step_wrote_outlives_a_crash_within_it_unless_the_disk_is_lost() -> None:
    back = Down(at=COMMITS, sent=0, back_ms=100)
    assert ending(ran(back).judge.view()) == "commits"
    assert times_ms(ran(back), "tm restart") == [103]
    lost = Down(at=COMMITS, sent=0, back_ms=100, loses_disk=True)
    # Nobody but the coordinator itself had committed; now it presumes abort.
    assert ran(lost).judge.broken >= {"AC2 stability"}


def test_a_node_that_is_paused_handles_all_that_came_meanwhile_and_in_order() -> None:
    run = ran(Pause(at=Moment(node="rm1", event="prepare"), pause_ms=500))
    assert lines(run, "rm1")[2:] == ["rm1 ← tm Commit()"]  # which put an end to its timer
    assert times_ms(run, "rm1 ← tm Commit") == [500]


def test_a_message_arrives_never_or_late_or_twice() -> None:
    def commits(*arrives_ms: int) -> list[int]:
        fate = Fate(arrives_ms=arrives_ms, message="Commit", to="rm1", nth=1)
        return times_ms(ran(fate), "rm1 ← tm Commit")

    assert commits(1, 7) == [4, 10]
    assert commits(2) == [5]
    assert commits() == [sum(INQUIRE_MS) // 2 + 2]  # it inquired


def test_nothing_passes_between_two_sides_or_nothing_out_of_one() -> None:
    alone = frozenset({"rm1"})
    cut = ran(Split(side=alone, since_ms=3))
    assert times_ms(cut, "rm1 ←") == []
    assert times_ms(cut, "tm ← rm1") == [1]
    healed = ran(Split(side=alone, since_ms=3, until_ms=1_000))
    assert min(times_ms(healed, "rm1 ← tm Commit")) > 1_000
    mute = ran(Split(side=frozenset({"rm2"}), mute=True))
    assert times_ms(mute, "rm2 ← tm Prepare") != []
    assert times_ms(mute, "tm ← rm2") == []


def test_what_is_sent_after_a_late_message_overtakes_it_unless_the_link_keeps_the_order() -> None:
    late = Fate(arrives_ms=(900,), message="Prepare", to="rm2")
    for in_order, first in ((False, "Abort"), (True, "Prepare")):
        run = ran(msgspec.structs.replace(late, in_order=in_order))
        assert lines(run, "rm2")[1] == f"rm2 ← tm {first}()"


@pytest.mark.parametrize(
    "fault",
    [
        Down(at=Moment(node="tm", event="Prepared", nth=9)),
        Pause(at=Moment(node="nobody", event="start"), pause_ms=1),
        Fate(arrives_ms=(), message="Prepare", to="rm1"),
        Down(at=COMMITS, sent=2),
    ],
)
def test_a_fault_that_finds_no_occasion_is_refused(fault: Fault) -> None:
    with pytest.raises(UsageError, match="this fault found no occasion"):
        ran(fault)


def test_a_world_with_clocks_is_refused() -> None:
    with pytest.raises(UsageError, match="is Timed"):
        ran(world=build_world("lease"))
