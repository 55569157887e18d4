"""Presumed abort, rule by rule: Mohan, Lindsay and Obermarck, TODS 11(4) 1986, section 3."""

from __future__ import annotations

import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import (
    Change,
    Ignore,
    Output,
    Persist,
    Receive,
    Send,
    Start,
    Timeout,
    UsageError,
)
from quorate.properties.commit import Decided, Forgotten, Outcome, Released
from quorate.protocols import build_world, find
from quorate.protocols.presumed_abort import (
    Abort,
    Ack,
    Commit,
    Coordinator,
    Inquire,
    Participant,
    Prepare,
    Prepared,
    Read,
)
from quorate.sim.quiet import quiet_diagram
from quorate.traces.meter import measure

BOTH = frozenset({"rm1", "rm2"})
COMMITTED, ABORTED = Outcome.COMMITTED, Outcome.ABORTED


def coordinator(**fields: object) -> Coordinator:
    return Coordinator("tm", BOTH, frozenset({"rm2"}), **fields)  # type: ignore[arg-type]


def participant(**fields: object) -> Participant:
    return Participant("rm1", "tm", True, True, **fields)  # type: ignore[arg-type]


def sends(effects: tuple[object, ...]) -> list[Send]:
    return [effect for effect in effects if isinstance(effect, Send)]


def forced(effects: tuple[object, ...]) -> list[Change]:
    return [c for e in effects if isinstance(e, Persist) and e.forced for c in e.changes]


def test_a_commit_is_forced_with_the_names_of_those_who_have_to_acknowledge_it() -> None:
    after, effects = coordinator(prepared=BOTH).step(Timeout("commit"))
    assert forced(effects) == [Change("owing", BOTH)]
    assert sends(effects) == [Send("rm1", Commit()), Send("rm2", Commit())]
    assert after.outcome is COMMITTED


def test_a_commit_is_told_again_until_all_have_acknowledged_it() -> None:
    one, effects = coordinator(outcome=COMMITTED, owing=BOTH).step(Receive("rm1", Ack()))
    assert effects == ()
    _, effects = one.step(Timeout("again"))
    assert sends(effects) == [Send("rm2", Commit())]
    after, effects = one.step(Receive("rm2", Ack()))
    assert forced(effects) == []
    assert Output(Forgotten()) in effects
    assert after.ended
    assert after.step(Receive("rm2", Ack()))[1] == (Ignore("nobody has to acknowledge that"),)


def test_an_abort_is_not_written_and_is_forgotten_at_once() -> None:
    after, effects = coordinator().step(Timeout("abort"))
    assert not any(isinstance(effect, Persist) for effect in effects)
    assert Output(Forgotten()) in effects
    assert sends(effects) == [Send("rm1", Abort()), Send("rm2", Abort())]
    assert after.step(Receive("rm1", Inquire()))[1] == (Send("rm1", Abort()),)


def test_what_is_not_on_record_is_presumed_to_be_aborted() -> None:
    for before in (coordinator(), coordinator(owing=BOTH, ended=True)):
        after, effects = before.step(Start(recovered=True))
        assert sends(effects) == []
        assert after.step(Receive("rm1", Inquire()))[1] == (Send("rm1", Abort()),)
    after, effects = coordinator(owing=BOTH).step(Start(recovered=True))
    assert sends(effects) == [Send("rm1", Commit()), Send("rm2", Commit())]


def test_a_participant_forces_a_commit_and_acknowledges_it_as_often_as_it_is_told() -> None:
    after, effects = participant(prepared=True).step(Receive("tm", Commit()))
    assert forced(effects) == [Change("ended", True)]
    assert sends(effects) == [Send("tm", Ack())]
    assert sends(after.step(Receive("tm", Commit()))[1]) == [Send("tm", Ack())]
    back, effects = after.restart(participant()).step(Start(recovered=True))
    assert (back.outcome, sends(effects)) == (COMMITTED, [])
    assert Output(Decided(COMMITTED)) in effects


def test_a_participant_neither_forces_an_abort_nor_acknowledges_it() -> None:
    after, effects = participant(prepared=True).step(Receive("tm", Abort()))
    assert after.outcome is ABORTED
    assert not any(isinstance(effect, Persist | Send) for effect in effects)
    _, effects = after.restart(participant()).step(Start(recovered=True))
    assert sends(effects) == [Send("tm", Inquire())]


def test_a_participant_that_has_committed_does_not_heed_what_was_presumed_meanwhile() -> None:
    before = participant(prepared=True, outcome=COMMITTED, ended=True)
    after, effects = before.step(Receive("tm", Abort()))
    assert (after, effects) == (before, (Ignore("an answer from before it ended"),))


# Section 3.2: who has only read.


def test_who_has_only_read_writes_nothing_and_says_so() -> None:
    reader = participant(reads=True)
    after, effects = reader.step(Receive("tm", Prepare()))
    assert not any(isinstance(effect, Persist) for effect in effects)
    assert Output(Released(voted=True)) in effects
    assert sends(effects) == [Send("tm", Read())]
    assert sends(after.step(Receive("tm", Prepare()))[1]) == [Send("tm", Read())]


def test_who_has_only_read_is_not_told_and_does_not_acknowledge() -> None:
    one, _ = coordinator().step(Receive("rm1", Prepared()))
    two, _ = one.step(Receive("rm2", Read()))
    after, effects = two.step(Timeout("commit"))
    assert forced(effects) == [Change("owing", frozenset({"rm1"}))]
    assert sends(effects) == [Send("rm1", Commit())]
    assert Output(Forgotten()) in after.step(Receive("rm1", Ack()))[1]


def test_who_has_only_read_and_gave_up_vetoes() -> None:
    after, effects = participant(reads=True).step(Timeout("abort"))
    assert Output(Released(voted=False)) in effects
    assert sends(after.step(Receive("tm", Prepare()))[1]) == [Send("tm", Abort())]


def test_somebody_has_changed_something() -> None:
    with pytest.raises(UsageError, match="readers=2: rm1 of 2 has changed something"):
        build_world("presumed_abort", settings={"participants": 2, "readers": 2})


# As a whole.


@pytest.mark.parametrize("participants", [2, 3, 5])
def test_it_forces_what_the_paper_counts(participants: int) -> None:
    # Table in section 5: a commit forces 1 record of the coordinator, 2 of each participant.
    settings = {"participants": participants, "readers": 0}
    cost = measure(quiet_diagram(find("presumed_abort"), settings))
    assert cost.forced_writes == 1 + 2 * participants


def test_every_schedule_of_the_small_world_keeps_every_promise() -> None:
    for readers, distinct, transitions in ((0, 377, 1_796), (1, 221, 870)):
        result = check(build_world("presumed_abort", "small", {"readers": readers}))
        pin("as it was", result, distinct=distinct, transitions=transitions)
        assert {verdict.verdict for verdict in result.verdicts} == {"holds"}
