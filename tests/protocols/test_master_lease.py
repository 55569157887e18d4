"""The master lease: each rule of it, and what clocks and pauses have to do with it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from quorate.kernel import (
    At,
    Ballot,
    Event,
    Flexible,
    Header,
    Ignore,
    Majority,
    Map,
    Output,
    Property,
    Receive,
    Send,
    SetTimer,
    Start,
    Timeout,
)
from quorate.properties.lease import Used, exclusion, lease_ms
from quorate.properties.linearizable import Called, Returned, linearizable_register
from quorate.properties.log import Offered
from quorate.protocols import build_world
from quorate.protocols.master_lease import Client, Get, Got, Replica
from quorate.protocols.multi_paxos import (
    Accept,
    Accepted,
    Chosen,
    Nack,
    Prepare,
    Promise,
    Propose,
    Read,
    Readable,
    Standing,
    Vote,
)
from quorate.sim import Faults, simulate
from quorate.sim.scenario import SENDER, Act, Deed

NODES = ("n1", "n2", "n3")
QUORUM = Majority(NODES)
TERM_MS, DRIFT_PPM = 1_001, 200_000
LEASE_MS = lease_ms(TERM_MS, DRIFT_PPM)
OWN, OTHER, LATER = Ballot(2, "n1"), Ballot(1, "n2"), Ballot(3, "n3")
HELD = Map({1: Vote(OTHER, b"c1.1"), 2: Vote(OWN, b"")})


def replica(**fields: Any) -> Replica:
    quorums = Flexible(QUORUM, QUORUM)
    return Replica("n1", quorums, term_ms=TERM_MS, drift_ppm=DRIFT_PPM, **fields)


def leader(**fields: Any) -> Replica:
    state = {"promised": OWN, "standing": Standing.LEADER, "leader": "n1", "votes": HELD}
    return replica(**state, decided=2, **fields)


def at(ms: int, event: Event) -> At:
    return At(ms, event)


# Whoever accepts grants the lease.


def test_whoever_accepts_helps_no_other_for_a_term() -> None:
    after, effects = replica().step(at(70, Receive("n2", Accept(OTHER, 1, b"", 0))))
    assert Send("n2", Accepted(OTHER, 1)) in effects
    assert after.granted_ms == 70 + TERM_MS
    asked = Receive("n3", Prepare(LATER, 0))
    assert after.step(at(70 + TERM_MS - 1, asked)) == (after, (Send("n3", Nack(LATER, OTHER)),))
    promised, effects = after.step(at(70 + TERM_MS, asked))
    assert promised.promised == LATER
    assert Send("n3", Promise(LATER, ((1, Vote(OTHER, b"")),))) in effects


def test_it_helps_the_holder_at_any_time() -> None:
    again = Ballot(4, "n2")
    granted = replica(promised=OTHER, granted_ms=500)
    assert granted.step(at(100, Receive("n2", Prepare(again, 0))))[0].promised == again


def test_whoever_refuses_to_accept_grants_nothing() -> None:
    after, effects = replica(promised=LATER).step(at(70, Receive("n2", Accept(OTHER, 1, b"", 0))))
    assert (after.granted_ms, effects) == (0, (Send("n2", Nack(OTHER, LATER)),))


def test_it_does_not_stand_for_leader_within_the_term_either() -> None:
    granted = replica(promised=OTHER, granted_ms=500)
    after, effects = granted.step(at(499, Timeout("election")))
    assert after == granted
    assert Ignore("granted to another") in effects
    assert isinstance(effects[0], SetTimer)
    assert granted.step(at(500, Timeout("election")))[0].standing is Standing.CANDIDATE


def test_a_replica_that_comes_back_waits_for_a_term() -> None:
    before = replica(promised=OTHER).restart(replica())
    assert before.step(at(400, Start(recovered=True)))[0].granted_ms == 400 + TERM_MS
    assert replica().step(at(400, Start()))[0].granted_ms == 0


# A quorum that accepts makes the leader the master.


def test_the_lease_is_asked_for_in_a_slot_of_the_log_and_counts_from_then() -> None:
    asked, effects = leader().step(at(70, Receive("c1", Get(5))))
    assert (asked.asked_slot, asked.asked_ms, asked.gets) == (3, 70, (("c1", 5),))
    assert effects == tuple(Send(node, Accept(OWN, 3, b"", 2)) for node in ("n2", "n3", "n1"))
    one, _ = asked.step(at(90, Receive("n2", Accepted(OWN, 3))))
    assert one.until_ms == 0
    two, effects = one.step(at(95, Receive("n3", Accepted(OWN, 3))))
    assert (two.until_ms, two.gets) == (70 + LEASE_MS, ())
    assert effects[-2:] == (Output(Used(OWN)), Send("c1", Got(5, b"c1.1")))


def test_only_what_its_own_quorum_accepted_renews_it() -> None:
    asked = leader(asked_slot=2, asked_ms=70)  # and slot 2 was learned from somebody else
    one, _ = asked.step(at(80, Receive("c1", Propose(b"c1.2"))))
    for node in ("n2", "n3"):
        one, _ = one.step(at(90, Receive(node, Accepted(OWN, 3))))
    assert (one.decided, one.until_ms) == (3, 0)


def test_a_read_under_the_lease_asks_nobody() -> None:
    master = leader(until_ms=900)
    after, effects = master.step(at(300, Receive("c1", Get(5))))
    assert (after, effects) == (master, (Output(Used(OWN)), Send("c1", Got(5, b"c1.1"))))
    host = master.step(at(899, Receive("n1", Read(7))))
    assert host == (master, (Output(Readable(7, 2)),))


def test_when_the_lease_is_over_a_read_waits_for_the_next() -> None:
    after, effects = leader(until_ms=900).step(at(900, Receive("c1", Get(5))))
    assert after.gets == (("c1", 5),)
    assert {type(effect.msg) for effect in effects if isinstance(effect, Send)} == {Accept}


def test_the_lease_is_renewed_once_it_is_half_over_and_not_twice_at_once() -> None:
    asked, effects = leader(until_ms=900).step(at(400, Receive("c1", Get(5))))
    assert (asked.asked_slot, asked.asked_ms) == (3, 400)
    assert Send("c1", Got(5, b"c1.1")) in effects
    again, effects = asked.step(at(410, Receive("c1", Get(6))))
    assert (again, len(effects)) == (asked, 2)


def test_whoever_follows_is_no_master() -> None:
    after, _ = leader(until_ms=900, gets=(("c1", 5),)).step(
        at(300, Receive("n3", Accept(LATER, 3, b"", 2)))
    )
    assert (after.until_ms, after.gets) == (0, ())
    assert after.step(at(301, Receive("c1", Get(6)))) == (after, (Ignore("not the leader"),))


def test_a_master_that_hears_nobody_stays_until_its_lease_is_over() -> None:
    alone = leader(until_ms=900)
    assert alone.step(at(899, Timeout("election")))[0].standing is Standing.LEADER
    assert alone.step(at(900, Timeout("election")))[0].standing is Standing.FOLLOWER


def test_a_value_that_comes_again_changes_nothing() -> None:
    votes = Map({n: Vote(OWN, v) for n, v in enumerate((b"a", b"b", b"", b"a"), 1)})
    assert replica(votes=votes, decided=4).register() == b"b"
    assert replica(votes=votes, decided=1).register() == b"a"
    assert replica().register() is None


# The client.


def test_a_client_that_writes_also_reads() -> None:
    client = Client("c1", NODES, calls=2, writes=True)
    read, effects = client.step(Timeout("call"))
    assert effects[:2] == (Output(Called("read")), Send("n1", Get(1)))
    again, effects = read.step(Timeout("again"))
    assert effects[0] == Send("n2", Get(1))
    done, effects = again.step(Receive("n1", Got(1, b"x")))
    assert effects[0] == Output(Returned(b"x"))
    late = Receive("n2", Got(1, b"y"))
    assert done.step(late) == (done, (Ignore("answered before"),))
    write, effects = done.step(Timeout("call"))
    value = b"c1.2"
    assert effects[:2] == (Output(Called("write", value)), Output(Offered(value)))
    assert effects[2] == Send("n2", Propose(value))
    over, effects = write.step(Receive("n2", Chosen(9, value)))
    assert (over.done, effects[0]) == (2, Output(Returned()))
    assert not any(isinstance(effect, SetTimer) for effect in effects)


# As a whole.


NODES_2_3 = ("n2", "n3")
CUT = Act(do=Deed.PARTITION, at_ms=2_000, once="Heartbeat", sides=((SENDER, "c2"), ("rest",)))
# Who leads tends to be whose clock is fastest; for once, they ask while nobody answers.
LATE = (Act(do=Deed.PAUSE, nodes=NODES_2_3), Act(do=Deed.RESUME, at_ms=1_500, nodes=NODES_2_3))
PAUSE = Act(do=Deed.PAUSE, at_ms=2_000, once="Heartbeat", nodes=(SENDER,))
WAKE = Act(do=Deed.RESUME, at_ms=5_000, nodes=NODES)
SLOW_MASTER = range(22, 26)  # one of these seeds draws a slow clock for n1, and fast ones else


def broken(prop: Property, acts: tuple[Act, ...], seeds: range, **settings: Any) -> int:
    """Under how many seeds it breaks, clocks being off by up to 700,000 ppm."""
    mutant = settings.pop("mutant", None)
    settings = {"calls": 200, "term_ms": 5_000} | settings
    base = build_world("master_lease", settings=settings, mutant=mutant)
    base = msgspec.structs.replace(base, properties=(prop,))
    faults = Faults(drift_ppm=700_000 if "drift_ppm" in settings else 0, unsafe_ms=20_000)
    header = Header(protocol="master_lease", executor="sim")
    runs = (simulate(base, seed=s, faults=faults, header=header, acts=acts) for s in seeds)
    return sum(run.violated == prop.name for run in runs)


@pytest.mark.parametrize("prop", [exclusion, linearizable_register], ids=lambda prop: prop.name)
def test_clocks_that_drift_by_more_than_was_reckoned_with_make_two_masters(prop: Property) -> None:
    assert broken(prop, (*LATE, CUT), SLOW_MASTER, drift_ppm=20_000) > 0
    assert broken(prop, (*LATE, CUT), SLOW_MASTER, drift_ppm=700_000) == 0


def test_a_master_that_pauses_past_its_lease_finds_that_it_has_run_out() -> None:
    short = {"term_ms": 300, "calls": 40}
    assert broken(exclusion, (PAUSE, WAKE), range(5), **short) == 0
    assert broken(exclusion, (PAUSE, WAKE), range(5), mutant="holds_on", **short) > 0
