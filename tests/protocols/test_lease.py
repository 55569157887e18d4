"""Leases: each rule of the roles, and what clocks, pauses and fencing have to do with it."""

from __future__ import annotations

import msgspec
import pytest

from quorate.kernel import (
    At,
    Ballot,
    CancelTimer,
    Change,
    Event,
    Ignore,
    Majority,
    Output,
    Persist,
    Property,
    Receive,
    Send,
    SetTimer,
    Start,
    Timeout,
)
from quorate.properties.lease import Acquired, Ledger, Used, Written, exclusion, fencing, progress
from quorate.protocols import build_world
from quorate.protocols.lease import (
    PATIENCE_MS,
    RETRY_MS,
    WORK_MS,
    Acceptor,
    Client,
    Grant,
    Nack,
    Release,
    Request,
    Resource,
    Write,
)
from quorate.sim import Faults, simulate

ACCEPTORS = ("a1", "a2", "a3")
TERM_MS, DRIFT_PPM = 1_001, 200_000
LEASE_MS = 666  # 1,000 ms of a clock that is a fifth too fast, on one that is a fifth too slow
EARLIER, OWN, LATER = Ballot(1, "c9"), Ballot(2, "c1"), Ballot(3, "c0")


def client(**fields: object) -> Client:
    state: dict[str, object] = {"round": 2} | fields
    quorum = Majority(ACCEPTORS)
    return Client("c1", quorum, "r", TERM_MS, DRIFT_PPM, 1, **state)  # type: ignore[arg-type]


def acceptor(promised: Ballot = EARLIER, until_ms: int = 500) -> Acceptor:
    return Acceptor("a1", TERM_MS, promised, until_ms)


def at(ms: int, event: Event) -> At:
    return At(ms, event)


def to_all(message: Request | Release) -> tuple[Send, ...]:
    return tuple(Send(node, message) for node in ACCEPTORS)


def test_a_client_asks_under_a_token_that_it_has_not_used_before() -> None:
    after, effects = client().step(at(70, Timeout("seek")))
    assert after == client(round=3, asked_ms=70)
    record = Persist((Change("round", 3),))
    asked = to_all(Request(Ballot(3, "c1"), 70))
    assert effects == (record, *asked, SetTimer("give up", PATIENCE_MS))


def test_the_lease_is_shorter_than_the_term_by_what_clocks_may_differ() -> None:
    assert client().lease_ms == LEASE_MS
    fast, slow = 1 + DRIFT_PPM / 1e6, 1 - DRIFT_PPM / 1e6
    assert client().lease_ms / slow <= (TERM_MS - 1) / fast


def test_a_majority_of_grants_makes_it_the_holder_from_when_it_asked() -> None:
    first, effects = client(asked_ms=70).step(at(90, Receive("a1", Grant(OWN, 70))))
    assert (first.until_ms, effects) == (0, ())
    after, effects = first.step(at(95, Receive("a3", Grant(OWN, 70))))
    assert (after.until_ms, after.leases) == (70 + LEASE_MS, 1)
    assert effects == (
        Output(Acquired(OWN)),
        CancelTimer("give up"),
        SetTimer("work", WORK_MS),
        SetTimer("renew", (LEASE_MS // 3, LEASE_MS // 2)),
    )


@pytest.mark.parametrize("grant", [Grant(OWN, 69), Grant(EARLIER, 70)])
def test_grants_of_another_request_do_not_count(grant: Grant) -> None:
    before = client(asked_ms=70, grants=frozenset({"a1"}))
    after, effects = before.step(at(90, Receive("a2", grant)))
    assert (after, effects) == (before, (Ignore("not the open request"),))


def test_grants_that_come_when_the_lease_would_be_over_are_worth_nothing() -> None:
    before = client(asked_ms=70, grants=frozenset({"a1"}))
    after, effects = before.step(at(70 + LEASE_MS, Receive("a2", Grant(OWN, 70))))
    assert (after.until_ms, effects) == (0, ())


def test_it_renews_under_the_same_token_and_holds_from_the_later_request() -> None:
    asked, effects = client(asked_ms=70, until_ms=736).step(at(300, Timeout("renew")))
    assert effects == to_all(Request(OWN, 300))
    for node in ("a1", "a2"):
        asked, effects = asked.step(at(310, Receive(node, Grant(OWN, 300))))
    assert (asked.until_ms, asked.renewed, effects) == (300 + LEASE_MS, 1, ())


def test_it_looks_works_looks_again_and_writes() -> None:
    holder = client(asked_ms=70, until_ms=736)
    assert holder.step(at(735, Timeout("work"))) == (holder, (SetTimer("write", WORK_MS),))
    after, effects = holder.step(at(735, Timeout("write")))
    assert effects == (Output(Used(OWN)), Send("r", Write(OWN)), SetTimer("work", WORK_MS))
    for timer in ("work", "write"):
        after, effects = holder.step(at(736, Timeout(timer)))
        assert after == client()
        assert effects == (CancelTimer("renew"), SetTimer("seek", RETRY_MS))


def test_whoever_does_not_look_again_writes_after_a_pause() -> None:
    _, effects = client(until_ms=736, looks=False).step(at(5_000, Timeout("write")))
    assert Send("r", Write(OWN)) in effects


def test_a_client_without_a_majority_lets_go_and_takes_no_grant_any_more() -> None:
    after, effects = client(asked_ms=70).step(at(250, Timeout("give up")))
    assert after == client()
    assert effects == (*to_all(Release(OWN)), CancelTimer("give up"), SetTimer("seek", RETRY_MS))
    late = at(251, Receive("a1", Grant(OWN, 70)))
    assert after.step(late) == (after, (Ignore("not the open request"),))


def test_a_client_that_is_behind_goes_on_from_the_latest_token() -> None:
    after, effects = client(asked_ms=70).step(at(90, Receive("a1", Nack(Ballot(8, "c0")))))
    assert after == client(round=8)
    assert set(to_all(Release(OWN))) <= set(effects)


@pytest.mark.parametrize(
    ("state", "token"),
    [({}, LATER), ({"asked_ms": 70}, EARLIER), ({"asked_ms": 70, "until_ms": 736}, LATER)],
)
def test_other_refusals_are_of_no_use(state: dict[str, object], token: Ballot) -> None:
    before = client(**state)
    assert before.step(at(90, Receive("a1", Nack(token)))) == (before, (Ignore("of no use"),))


def test_an_acceptor_grants_under_a_later_token_once_the_term_is_over() -> None:
    after, effects = acceptor().step(at(500, Receive("c1", Request(OWN, 70))))
    assert after == acceptor(OWN, 500 + TERM_MS)
    assert effects == (Persist((Change("promised", OWN),)), Send("c1", Grant(OWN, 70)))
    for token, ms in ((OWN, 499), (Ballot(0, "c1"), 500)):
        refused = acceptor().step(at(ms, Receive("c1", Request(token, 70))))
        assert refused == (acceptor(), (Send("c1", Nack(EARLIER)),))


def test_an_acceptor_extends_the_term_of_the_token_that_it_granted_without_a_write() -> None:
    after, effects = acceptor(OWN).step(at(300, Receive("c1", Request(OWN, 290))))
    assert (after, effects) == (acceptor(OWN, 300 + TERM_MS), (Send("c1", Grant(OWN, 290)),))


def test_what_is_released_can_be_granted_at_once() -> None:
    after, _ = acceptor(OWN).step(at(300, Receive("c1", Release(OWN))))
    assert after == acceptor(OWN, 300)
    other = acceptor(LATER).step(at(300, Receive("c1", Release(OWN))))
    assert other == (acceptor(LATER), (Ignore("granted to another"),))


def test_an_acceptor_that_comes_back_waits_for_a_term() -> None:
    before = acceptor(OWN).restart(Acceptor("a1", TERM_MS))
    after, _ = before.step(at(400, Start(recovered=True)))
    assert after == acceptor(OWN, 400 + TERM_MS)
    assert Acceptor("a1", TERM_MS).step(at(400, Start()))[0].until_ms == 0


def test_the_resource_fences_off_former_holders() -> None:
    resource = Resource("r", OWN)
    assert resource.step(Receive("c1", Write(OWN))) == (resource, (Output(Written(OWN)),))
    refused = resource.step(Receive("c9", Write(EARLIER)))
    assert refused == (resource, (Ignore("fenced off"),))
    assert resource.step(Receive("c0", Write(LATER)))[0] == Resource("r", LATER)


def test_the_ledger_notes_who_acts_after_a_successor() -> None:
    ledger = Ledger("ledger").see("c1", Used(OWN)).see("r", Written(OWN))
    assert (ledger.overlap, ledger.stale) == (False, False)
    assert ledger.see("c0", Used(LATER)).see("c1", Used(OWN)).overlap
    assert not ledger.see("c0", Used(LATER)).see("r", Written(OWN)).stale
    assert ledger.see("r", Written(LATER)).see("r", Written(OWN)).stale


# As a whole.


def broken(
    prop: Property, world: str = "main", mutant: str | None = None, seeds: int = 40, **knobs: object
) -> int:
    """Under how many seeds it breaks, whatever else does."""
    settings = {} if mutant or world == "pausing" else {"term_ms": knobs.pop("term_ms", 200)}
    if "bound_ppm" in knobs:
        settings["drift_ppm"] = knobs.pop("bound_ppm")
    base = build_world("lease", world, settings, mutant)
    base = msgspec.structs.replace(base, properties=(prop,))
    runs = (simulate(base, seed=s, faults=Faults.swarm(s, **knobs)) for s in range(seeds))
    return sum(run.violated == prop.name for run in runs)


DRIFTING = {"term_ms": 1_000, "drift_ppm": 300_000}
PAUSES = {"pause_rate": 5, "pause_ms": (300, 1_500), "unsafe_ms": 5_000}


def test_clocks_that_drift_by_more_than_was_reckoned_with_make_two_holders() -> None:
    assert broken(exclusion, bound_ppm=20_000, **DRIFTING) > 0
    assert broken(exclusion, bound_ppm=300_000, **DRIFTING) == 0


def test_a_client_that_pauses_past_its_lease_acts_beside_its_successor() -> None:
    assert broken(exclusion, "pausing", **PAUSES) > 0
    assert broken(exclusion, **PAUSES) == 0


def test_fencing_saves_the_resource_from_clients_that_pause() -> None:
    assert broken(fencing, "pausing", seeds=200, **PAUSES) == 0
    unfenced = build_world("lease", mutant="without_fencing")
    resource = unfenced.processes[-1]
    base = build_world("lease", "pausing")
    base = msgspec.structs.replace(
        base, processes=(*base.processes[:-1], resource), properties=(fencing,)
    )
    runs = [simulate(base, seed=s, faults=Faults.swarm(s, **PAUSES)) for s in range(40)]
    assert any(run.violated == fencing.name for run in runs)


def test_rivals_get_their_turn_although_a_term_is_long() -> None:
    knobs = {"term_ms": 1_000, "unsafe_ms": 2_000, "heal_ms": 60_000}
    assert broken(progress, **knobs) == 0
