"""PBFT, rule by rule: Castro and Liskov, OSDI 1999 and TOCS 20(4) 2002. Normal operation."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from pins import pin
from protocols.cast import Cast
from quorate.check import check
from quorate.kernel import Authenticated, Effect, Ignore, NodeId, Output, Send, Signed, UsageError
from quorate.properties.replication import Accepted, Committed, Performed
from quorate.protocols import build_world, find
from quorate.protocols.pbft import Client, Replica
from quorate.protocols.pbft.messages import (
    Bodies,
    Checkpoint,
    Commit,
    Fetch,
    Operation,
    Prepare,
    PrePrepare,
    Reply,
    Request,
    Sealed,
    Snapshot,
    State,
    Status,
    digest,
    named,
)
from quorate.sim.quiet import cost_rows, expected, quiet_diagram
from quorate.traces.meter import measure

NODES = ("r1", "r2", "r3", "r4")


def cast(clients: int = 0, **settings: Any) -> Cast:
    """Four replicas unless it is said otherwise; r1 is the primary of view 0."""
    return Cast(build_world("pbft", settings={"clients": clients, "operations": 1, **settings}))


def sealed(
    text: str, timestamp: int = 1, client: NodeId = "c1", to: tuple[NodeId, ...] = NODES
) -> Sealed:
    return Authenticated(client, Operation(client, timestamp, text.encode()), to)


def ordered(*requests: Sealed, seq: int = 1, view: int = 0) -> PrePrepare:
    return PrePrepare(view, seq, named(requests), requests)


def sends(effects: tuple[Effect, ...]) -> list[Send]:
    return [effect for effect in effects if type(effect) is Send]


A, B = sealed("a"), sealed("b", client="c2")
PA = named((A,))


def prepared(*preparing: NodeId, **settings: Any) -> Cast:
    """r2 has pre-prepared A at 1, and these replicas have sent it matching prepares."""
    table = cast(**settings)
    table.say("r1", "r2", ordered(A))
    for node in preparing:
        table.say(node, "r2", Prepare(0, 1, PA))
    return table


def committed(*requests: Sealed, **settings: Any) -> Cast:
    """All four replicas have executed these requests, one after the other."""
    table = cast(**settings)
    for each in requests:
        table.say(each.content.client, "r1", Request(each))
        table.run()
    return table


# Requests.


def test_the_primary_gives_a_request_the_next_number_and_tells_every_backup() -> None:
    effects = cast().say("c1", "r1", Request(A))
    assert sends(effects) == [Send(node, ordered(A)) for node in NODES[1:]]


def test_a_backup_passes_a_request_on_to_the_primary_and_gives_it_time() -> None:
    table = cast()
    assert sends(table.say("c1", "r2", Request(A))) == [Send("r1", Request(A))]
    assert ("r2", "view") in table.timers
    assert table.say("c1", "r2", Request(A)) == (Ignore("pending already"),)


def test_a_request_in_the_name_of_another_client_is_ignored() -> None:
    forged = Authenticated("c2", A.content, NODES)
    for node in ("r1", "r2"):
        effects = cast().say("c2", node, Request(forged))
        assert effects == (Ignore("not from the client that it names"),)
    assert cast().say("r1", "r2", ordered(forged)) == (
        Ignore("not from the clients that it names"),
    )
    signed = Signed("c2", A.content)
    assert cast(signed=True).say("c2", "r1", Request(signed)) == (
        Ignore("not from the client that it names"),
    )


def test_a_request_that_was_executed_gets_its_reply_again_and_no_other_place() -> None:
    table = committed(sealed("a"), sealed("b", 2))
    for node in NODES:
        effects = table.say("c1", node, Request(sealed("b", 2)))
        assert effects == (Send("c1", Reply(0, 2, b"2")),)
        assert table.say("c1", node, Request(A)) == (Ignore("the client has moved on"),)
    assert all(table.actors[node].pending == table.boots["r1"].pending for node in NODES)


def test_a_request_that_is_ordered_twice_is_executed_once() -> None:
    table = committed(A)
    for node in NODES[1:]:
        table.say("r1", node, ordered(A, seq=2))
    table.run()
    assert len(table.stated(Committed)) == 4 + 3
    assert Counter(fact for _, fact in table.stated(Performed)) == {
        Performed("c1", 1, b"a", b"1"): 4
    }


def test_of_two_operations_with_one_timestamp_one_is_executed() -> None:
    table = committed(A)
    for node in NODES[1:]:
        table.say("r1", node, ordered(sealed("other"), seq=2))
    table.run()
    assert len(table.stated(Committed)) == 4 + 3
    assert {fact.op for _, fact in table.stated(Performed)} == {b"a"}


def test_what_is_pending_goes_into_one_batch_once_there_is_room() -> None:
    table = cast(window=1, interval=1)
    table.say("c1", "r1", Request(A))
    for i in (3, 4, 5):
        assert sends(table.say(f"c{i}", "r1", Request(sealed("x", client=f"c{i}")))) == []
    table.run()
    sizes = [len(m.batch) for src, to, m in table.sent if type(m) is PrePrepare and to == "r2"]
    assert sizes == [1, 3]
    assert table.actors["r3"].state.count == 4


# The three phases.


def test_a_backup_that_accepts_a_pre_prepare_says_so_to_all() -> None:
    effects = cast().say("r1", "r2", ordered(A))
    assert sends(effects) == [Send(node, Prepare(0, 1, PA)) for node in ("r1", "r3", "r4")]


@pytest.mark.parametrize(
    ("src", "m", "ignored"),
    [
        ("r3", ordered(A), Ignore("not from the primary of this view")),
        ("r1", ordered(A, view=1), Ignore("not from the primary of this view")),
        ("r2", ordered(A, view=1), Ignore("not from the primary of this view")),
        ("r1", ordered(A, seq=0), Ignore("outside the window")),
        ("r1", ordered(A, seq=5), Ignore("outside the window")),
        ("r1", PrePrepare(0, 1, PA, (B,)), Ignore("not what its digest says")),
        ("r1", PrePrepare(0, 1, named((A, B)), (B, A)), Ignore("not what its digest says")),
        ("r1", PrePrepare(0, 1, b"", ()), Ignore("not what its digest says")),
    ],
)
def test_a_backup_accepts_no_other_pre_prepare(src: NodeId, m: PrePrepare, ignored: Ignore) -> None:
    assert cast().say(src, "r4", m) == (ignored,)


def test_it_accepts_one_digest_for_a_number_in_a_view_also_after_a_crash() -> None:
    table = prepared()
    assert table.say("r1", "r2", ordered(B)) == (Ignore("pre-prepared already"),)
    table.restart("r2")
    assert table.say("r1", "r2", ordered(B)) == (Ignore("pre-prepared already"),)


def is_prepared(table: Cast) -> bool:
    return 1 in table.actors["r2"].prepared


def test_a_quorum_prepares_the_primary_and_each_backup_counting_once() -> None:
    assert not is_prepared(prepared())
    assert is_prepared(prepared("r3"))  # r1, r2 and r3
    assert not is_prepared(prepared("r2", "r2"))


def test_a_prepare_of_the_primary_does_not_count() -> None:
    assert not is_prepared(prepared("r1"))


@pytest.mark.parametrize("other", [Prepare(0, 1, named((B,))), Prepare(1, 1, PA)])
def test_prepares_of_another_digest_or_view_do_not_count(other: Prepare) -> None:
    table = prepared()
    table.say("r3", "r2", other)
    assert not is_prepared(table)


@pytest.mark.parametrize(
    ("nodes", "quorum"), [(4, 3), (5, 4), (6, 4), (7, 5), (8, 6), (9, 6), (10, 7)]
)
def test_a_quorum_is_more_than_half_of_all_and_the_faulty(nodes: int, quorum: int) -> None:
    table = cast(nodes=nodes)
    table.say("r1", "r2", ordered(sealed("a", to=tuple(table.actors))))
    for more in range(3, nodes + 1):
        assert is_prepared(table) == (more > quorum)
        table.say(f"r{more}", "r2", Prepare(0, 1, PA))
    assert is_prepared(table)


def test_only_replicas_vote_and_each_once() -> None:
    table = prepared()
    for kind in (Prepare, Commit):
        assert table.say("c1", "r2", kind(0, 1, PA)) == (Ignore("not a replica"),)
        table.say("r3", "r2", kind(0, 1, b"x"))
        assert table.say("r3", "r2", kind(0, 1, PA)) == (Ignore("voted already"),)
        for seq in (0, 5, 1_000_000):
            assert table.say("r4", "r2", kind(0, seq, PA)) == (Ignore("outside the window"),)


def test_a_vote_of_a_far_view_takes_the_place_of_its_own_senders_vote_only() -> None:
    table = prepared("r4")
    for view in range(100, 200):
        table.say("r3", "r2", Prepare(view, 1, PA))
    assert len(table.actors["r2"].prepares) == 2
    assert is_prepared(table)


def test_what_is_prepared_is_committed_to_before_all() -> None:
    table = prepared()
    effects = table.say("r3", "r2", Prepare(0, 1, PA))
    assert sends(effects) == [Send(node, Commit(0, 1, PA)) for node in ("r1", "r3", "r4")]


def is_executed(table: Cast) -> bool:
    return bool(table.actors["r2"].state.seq)


def test_a_quorum_of_commits_executes_what_is_prepared() -> None:
    table = prepared("r3")
    table.say("r3", "r2", Commit(0, 1, PA))
    assert not is_executed(table)
    effects = table.say("r4", "r2", Commit(0, 1, PA))
    assert Output(Committed(0, 1, PA, 1)) in effects
    assert Send("c1", Reply(0, 1, b"1")) in effects


@pytest.mark.parametrize("other", [Commit(0, 1, named((B,))), Commit(1, 1, PA), Commit(0, 2, PA)])
def test_commits_of_another_digest_view_or_number_do_not_count(other: Commit) -> None:
    table = prepared("r3")
    table.say("r3", "r2", Commit(0, 1, PA))
    table.say("r4", "r2", other)
    assert not is_executed(table)


def test_commits_do_not_execute_what_is_not_prepared() -> None:
    table = prepared()
    for node in ("r1", "r3", "r4"):
        table.say(node, "r2", Commit(0, 1, PA))
    assert not is_executed(table)


def test_requests_are_executed_in_the_order_of_their_numbers() -> None:
    table = cast()
    for seq, each in ((2, B), (1, A)):
        table.say("r1", "r2", ordered(each, seq=seq))
        for node in ("r3", "r4"):
            table.say(node, "r2", Prepare(0, seq, named((each,))))
            table.say(node, "r2", Commit(0, seq, named((each,))))
    done = [fact.op for node, fact in table.stated(Performed) if node == "r2"]
    assert done == [b"a", b"b"]


def test_a_request_that_comes_after_its_commit_starts_no_timer() -> None:
    table = committed(A)
    assert ("r2", "view") not in table.timers
    table.say("c1", "r2", Request(A))
    assert ("r2", "view") not in table.timers


def test_each_request_gets_its_full_time_after_another_was_executed() -> None:
    table = prepared("r3")
    table.say("c2", "r2", Request(B))
    table.timers.pop(("r2", "view"))
    for node in ("r3", "r4"):
        table.say(node, "r2", Commit(0, 1, PA))
    assert ("r2", "view") in table.timers
    assert set(table.actors["r2"].pending) == {"c2"}


# MACs that are good for some only.


def test_a_request_whose_mac_is_bad_here_is_accepted_once_f_plus_1_vouch_for_it() -> None:
    doubtful = sealed("a", to=("r1", "r3", "r4"))
    table = cast()
    assert sends(table.say("r1", "r2", ordered(doubtful))) == []
    assert 1 in table.actors["r2"].doubtful
    effects = table.say("r3", "r2", Prepare(0, 1, PA))
    assert Send("r4", Prepare(0, 1, PA)) in sends(effects)


def test_a_request_that_its_sender_alone_believes_is_executed_nowhere() -> None:
    table = cast()
    table.say("c1", "r1", Request(sealed("a", to=("r1",))))
    table.run()
    assert table.stated(Committed) == []


# Clients.


def client(table: Cast) -> Client:
    found = table.actors["c1"]
    assert isinstance(found, Client)
    return found


def test_a_client_believes_what_f_plus_1_replicas_say() -> None:
    table = cast(clients=1)
    table.say("r4", "c1", Reply(0, 1, b"lie"))
    table.say("r4", "c1", Reply(0, 1, b"lie"))
    table.say("r2", "c1", Reply(0, 1, b"1"))
    assert not table.stated(Accepted)
    table.say("r3", "c1", Reply(0, 1, b"1"))
    assert table.stated(Accepted) == [("c1", Accepted("c1", 1, b"1"))]
    assert client(table).done == 1


@pytest.mark.parametrize(("src", "timestamp"), [("r1", 2), ("r1", 0), ("c9", 1)])
def test_a_reply_to_another_request_or_of_nobody_is_ignored(src: NodeId, timestamp: int) -> None:
    effects = cast(clients=1).say(src, "c1", Reply(0, timestamp, b"1"))
    assert effects == (Ignore("not a reply to the open request"),)


def test_a_client_looks_for_the_primary_where_a_correct_replica_does() -> None:
    table = cast(clients=1, operations=2)
    table.say("r4", "c1", Reply(7_777, 1, b"1"))
    table.say("r2", "c1", Reply(2, 1, b"1"))
    assert client(table).view == 2
    assert [to for src, to, m in table.sent if type(m) is Request] == ["r1", "r3"]


def test_a_client_without_an_answer_asks_all_replicas() -> None:
    table = cast(clients=1)
    assert [effect.to for effect in sends(table.ring("c1", "retry"))] == list(NODES)


# Checkpoints.


def test_a_checkpoint_that_a_quorum_has_lets_the_log_go() -> None:
    table = committed(A, B)
    for node in NODES:
        replica = table.actors[node]
        assert isinstance(replica, Replica)
        assert set(replica.checkpoints) == {2}
        log = (replica.pre_prepared, replica.prepared, replica.batches)
        assert not any(map(len, (*log, replica.prepares, replica.commits)))
        assert sends(table.say("r1", node, ordered(A, seq=2))) == []


def test_f_plus_1_checkpoints_are_not_enough_for_that_nor_are_other_digests() -> None:
    table = cast()
    for each in (A, B):
        table.say(each.content.client, "r1", Request(each))
        table.run(lambda src, to, m: type(m) is Checkpoint)
    state = digest(table.actors["r2"].state)
    table.say("r3", "r2", Checkpoint(2, state))
    table.say("r4", "r2", Checkpoint(2, b"lie"))
    assert table.say("r4", "r2", Checkpoint(2, state)) == ()  # its first word stands
    assert set(table.actors["r2"].checkpoints) == {0, 2}
    table.say("r1", "r2", Checkpoint(2, state))
    assert set(table.actors["r2"].checkpoints) == {2}


def test_claims_of_one_replica_take_bounded_room() -> None:
    table = cast()
    for seq in range(2, 1_000, 2):
        table.say("r4", "r2", Checkpoint(seq, b"x"))
    assert len(table.actors["r2"].claims["r4"]) == 3
    assert table.say("c1", "r2", Checkpoint(2, b"x")) == (Ignore("not a replica"),)


FAR = Snapshot(10, 7, b"history", (Performed("c1", 1, b"a", b"1"),))


def test_f_replicas_cannot_make_one_fetch_a_state_and_f_plus_1_can() -> None:
    table = cast()
    assert sends(table.say("r3", "r2", Checkpoint(10, digest(FAR)))) == []
    effects = table.say("r4", "r2", Checkpoint(10, digest(FAR)))
    assert sends(effects) == [Send(node, Fetch(10)) for node in ("r1", "r3", "r4")]


def test_a_state_is_taken_from_anyone_if_f_plus_1_vouch_for_its_digest() -> None:
    table = cast()
    no = (Ignore("not a state that is vouched for, or not a new one"),)
    assert table.say("r4", "r2", State(FAR)) == no
    table.say("r3", "r2", Checkpoint(10, digest(FAR)))
    assert table.say("r4", "r2", State(FAR)) == no
    table.say("r4", "r2", Checkpoint(10, digest(FAR)))
    assert table.say("r4", "r2", State(Snapshot(10, 8, b"history", FAR.latest))) == no
    effects = table.say("r1", "r2", State(FAR))
    assert Send("r1", Checkpoint(10, digest(FAR))) in effects
    assert table.actors["r2"].state == FAR
    assert table.say("c1", "r2", Request(A)) == (Send("c1", Reply(0, 1, b"1")),)
    assert table.say("r1", "r2", State(FAR)) == no


def test_a_replica_whose_own_state_is_another_takes_that_of_the_others() -> None:
    table = cast()
    for each in (A, B):
        table.say(each.content.client, "r1", Request(each))
        table.run(lambda src, to, m: type(m) is Checkpoint)
    other = Snapshot(2, 9, b"right", FAR.latest)
    for node in ("r3", "r4"):
        table.say(node, "r2", Checkpoint(2, digest(other)))
    table.say("r3", "r2", State(other))
    assert table.actors["r2"].state == other


def test_a_state_is_given_to_whoever_asks() -> None:
    table = committed(A, B)
    assert table.say("r3", "r2", Fetch(2)) == (Send("r3", State(table.actors["r2"].state)),)
    assert table.say("r3", "r2", Fetch(1)) == (Ignore("no such checkpoint"),)


# What was lost is said again.


def test_a_replica_that_waits_asks_and_one_that_does_not_is_quiet() -> None:
    table = committed(A, B)
    assert sends(table.ring("r2", "status")) == []
    table = prepared()
    ask = Status(0, False, 0, 0, ())
    assert sends(table.ring("r2", "status")) == [Send(n, ask) for n in ("r1", "r3", "r4")]


def test_all_that_one_replica_missed_reaches_it_in_the_end() -> None:
    table = cast(clients=1)
    table.run(lambda src, to, m: to == "r4")
    assert table.actors["r4"].state.seq == 0
    table.say("c1", "r4", Request(A))
    table.post.clear()
    table.ring("r4", "status")
    table.run()
    assert table.actors["r4"].state == table.actors["r1"].state


def test_the_requests_of_a_digest_are_asked_for_and_checked() -> None:
    table = committed(A)
    assert sends(table.say("r3", "r2", Status(0, False, 0, 1, (PA,)))) == [Send("r3", Bodies((A,)))]
    assert table.say("r3", "r2", Bodies((B,))) == (Ignore("not what is missing"),)
    assert table.say("c1", "r2", Status(0, False, 0, 1, (PA,))) == (Ignore("not a replica"),)


def test_a_primary_that_is_ahead_of_the_others_windows_loses_nothing() -> None:
    # Fabric 1119: the primary learns first that a checkpoint is stable, and uses the room.
    table = cast(interval=2, window=2)
    slow = ("r2", "r3")

    def lost(src: NodeId, to: NodeId, m: object) -> bool:
        return to == "r4" or (to in slow and type(m) is Checkpoint)

    for client, each in (("c1", A), ("c2", B)):
        table.say(client, "r1", Request(each))
        table.run(lost)
    # r1 has two claims, its own among them; r4's is the third, and is for r1 alone.
    table.say("r4", "r1", Checkpoint(2, digest(table.actors["r1"].state)))
    third = sealed("c", client="c3")
    table.say("c3", "r1", Request(third))
    table.run(lost)
    assert all(table.actors[node].state.seq == 2 for node in slow)
    for node in slow:
        table.ring(node, "status")
    table.run(lambda src, to, m: to == "r4")
    for node in slow:
        table.say("c3", node, Request(third))
        table.ring(node, "status")
    table.run(lambda src, to, m: to == "r4")
    assert all(table.actors[node].state.seq == 3 for node in slow)
    assert all(table.actors[node].view == 0 for node in NODES)


# What it costs, and what it refuses.


@pytest.mark.parametrize("nodes", [4, 7, 10, 13])
def test_a_request_costs_what_the_paper_counts(nodes: int) -> None:
    pbft, settings = find("pbft"), {"nodes": nodes}
    cost = measure(quiet_diagram(pbft, settings))
    request, replies = 1, nodes
    phases = (nodes - 1) + (nodes - 1) ** 2 + nodes * (nodes - 1)
    assert cost.messages == request + phases + replies == 2 * nodes**2 - nodes + 1
    assert (cost.delays, expected(pbft, settings).delays) == (5, 5)


def test_that_holds_for_every_number_of_replicas() -> None:
    assert [row for row in cost_rows(find("pbft")) if row.measured != row.formula] == []


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"nodes": 3}, "3 replicas tolerate no traitor: take 4 or more"),
        ({"interval": 5, "window": 4}, "a window of 4 has no room for a checkpoint every 5"),
        ({"interval": 0}, "a window of 4 has no room for a checkpoint every 0"),
    ],
)
def test_what_cannot_work_is_refused(settings: dict[str, int], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        build_world("pbft", settings=settings)


# Every schedule, and all that a traitor can say.


def test_no_primary_can_make_others_disagree_within_its_view() -> None:
    result = check(build_world("pbft", "small"))
    assert {verdict.verdict for verdict in result.verdicts} == {"holds"}
    pin("one traitor, and its client", result, distinct=202_905, transitions=1_362_097, depth=19)


def test_leaving_out_what_nobody_can_observe_leaves_little() -> None:
    result = check(build_world("pbft", "small"), reduce=True)
    assert result.exit_code == 0
    pin("the same, reduced", result, distinct=1_231, depth=7)


def test_a_primary_and_a_backup_can() -> None:
    result = check(build_world("pbft", "small", {"traitors": 2}))
    assert result.violation is not None
    assert result.violation.name in ("replica agreement", "prepared before it is committed")
