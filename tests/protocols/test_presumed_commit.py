"""Presumed commit, rule by rule: Mohan, Lindsay and Obermarck, TODS 11(4) 1986, section 4."""

from __future__ import annotations

import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import Change, Output, Persist, Receive, Send, Start, Timeout, UsageError
from quorate.properties.commit import Decided, Forgotten, Outcome
from quorate.protocols import build_world, find
from quorate.protocols.presumed_commit import (
    Abort,
    Ack,
    Commit,
    Coordinator,
    Inquire,
    Participant,
    Prepare,
)
from quorate.sim.quiet import quiet_diagram
from quorate.traces.meter import measure

BOTH = frozenset({"rm1", "rm2"})
COMMITTED, ABORTED = Outcome.COMMITTED, Outcome.ABORTED


def coordinator(**fields: object) -> Coordinator:
    return Coordinator("tm", BOTH, BOTH, **fields)  # type: ignore[arg-type]


def participant(**fields: object) -> Participant:
    return Participant("rm1", "tm", False, True, **fields)  # type: ignore[arg-type]


def sends(effects: tuple[object, ...]) -> list[Send]:
    return [effect for effect in effects if isinstance(effect, Send)]


def forced(effects: tuple[object, ...]) -> list[Change]:
    return [c for e in effects if isinstance(e, Persist) and e.forced for c in e.changes]


def test_who_may_become_prepared_is_forced_before_anybody_is_asked() -> None:
    _, effects = coordinator().step(Start())
    assert forced(effects) == [Change("owing", BOTH)]
    assert sends(effects) == [Send("rm1", Prepare()), Send("rm2", Prepare())]


def test_a_commit_is_forced_and_forgotten_at_once() -> None:
    after, effects = coordinator(prepared=BOTH, owing=BOTH).step(Timeout("commit"))
    assert forced(effects) == [Change("owing", frozenset())]
    assert sends(effects) == [Send("rm1", Commit()), Send("rm2", Commit())]
    assert Output(Forgotten()) in effects
    back, effects = after.restart(coordinator()).step(Start(recovered=True))
    assert sends(effects) == []
    assert back.step(Receive("rm1", Inquire()))[1] == (Send("rm1", Commit()),)


def test_what_was_left_open_is_aborted_after_a_crash_and_kept_until_all_have_it_on_record() -> None:
    back, effects = coordinator(owing=BOTH).step(Start(recovered=True))
    assert sends(effects) == [Send("rm1", Abort()), Send("rm2", Abort())]
    one, effects = back.step(Receive("rm1", Ack()))
    assert effects == ()
    assert sends(one.step(Timeout("again"))[1]) == [Send("rm2", Abort())]
    after, effects = one.step(Receive("rm2", Ack()))
    assert Output(Forgotten()) in effects
    assert forced(effects) == []
    assert after.ended


def test_a_participant_neither_writes_a_commit_nor_acknowledges_it() -> None:
    after, effects = participant(prepared=True).step(Receive("tm", Commit()))
    assert after.outcome is COMMITTED
    assert not any(isinstance(effect, Persist | Send) for effect in effects)


def test_a_participant_forces_an_abort_and_acknowledges_it() -> None:
    after, effects = participant(prepared=True).step(Receive("tm", Abort()))
    assert forced(effects) == [Change("ended", True)]
    assert sends(effects) == [Send("tm", Ack())]
    back, effects = after.restart(participant()).step(Start(recovered=True))
    assert back.outcome is ABORTED
    assert Output(Decided(ABORTED)) in effects


def test_somebody_has_changed_something() -> None:
    with pytest.raises(UsageError, match="readers=3: rm1 of 3 has changed something"):
        build_world("presumed_commit", settings={"readers": 3})


@pytest.mark.parametrize("participants", [2, 3, 5])
def test_it_forces_what_the_paper_counts(participants: int) -> None:
    # Table in section 5: a commit forces 2 records of the coordinator, 1 of each participant.
    settings = {"participants": participants, "readers": 0}
    cost = measure(quiet_diagram(find("presumed_commit"), settings))
    assert cost.forced_writes == 2 + participants


def test_every_schedule_of_the_small_world_keeps_every_promise() -> None:
    for readers, distinct, transitions in ((0, 986, 5_898), (1, 784, 4_552)):
        result = check(build_world("presumed_commit", "small", {"readers": readers}))
        pin("as it was", result, distinct=distinct, transitions=transitions)
        assert {verdict.verdict for verdict in result.verdicts} == {"holds"}
