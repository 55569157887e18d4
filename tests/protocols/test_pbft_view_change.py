"""PBFT, rule by rule: replacing a primary. Castro and Liskov, TOCS 20(4) 2002, section 4.5."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from protocols.cast import Cast
from protocols.test_pbft import NODES, PA, A, B, cast, committed, ordered, prepared, sends
from quorate.kernel import Authenticated, Ignore, NodeId, Send, Signed
from quorate.properties.replication import Committed, Performed
from quorate.protocols.pbft.messages import (
    NULL,
    Beginning,
    Checkpoint,
    Commit,
    NewView,
    Past,
    Prepare,
    PrePrepare,
    Request,
    Snapshot,
    Status,
    ViewChange,
    ViewChangeAck,
    Vote,
    digest,
    named,
)
from quorate.protocols.pbft.normal import VIEW_MS

GENESIS = (0, digest(Snapshot()))


def leaving(
    node: NodeId, view: int = 1, to: tuple[NodeId, ...] = NODES, signed: bool = False, **more: Any
) -> ViewChange:
    """What a replica says that leaves for a view and knows nothing, but for what is given."""
    past = msgspec.structs.replace(Past(view, 0, (GENESIS,), (), ()), **more)
    return ViewChange(Signed(node, past) if signed else Authenticated(node, past, to))


def knowing(node: NodeId, text: bytes, at: int = 0, view: int = 1, **more: Any) -> ViewChange:
    """One that has prepared a digest at 1."""
    votes = ((1, Vote(at, text)),)
    return leaving(node, view, prepared=votes, pre_prepared=votes, **more)


def ack(m: ViewChange) -> ViewChangeAck:
    return ViewChangeAck(m.sealed.content.view, m.sealed.author, digest(m.sealed.content))


def past_of(table: Cast, node: NodeId) -> Past:
    past = table.actors[node].leaving.sealed.content
    assert isinstance(past, Past)
    return past


def begun(choice: Beginning, *votes: ViewChange, view: int = 1) -> NewView:
    return NewView(view, votes, choice)


START = Beginning(*GENESIS)
THREE = tuple(leaving(node) for node in ("r2", "r3", "r4"))


# Leaving a view.


def test_a_replica_that_waited_in_vain_tells_all_what_it_prepared_and_pre_prepared() -> None:
    table = prepared("r3")
    table.say("r1", "r2", ordered(B, seq=2))
    effects = table.ring("r2", "view")
    vote = Vote(0, PA)
    votes = ((1, vote),)
    said = ViewChange(
        Authenticated(
            "r2", Past(1, 0, (GENESIS,), votes, (*votes, (2, Vote(0, named((B,)))))), NODES
        )
    )
    assert sends(effects) == [Send(node, said) for node in ("r1", "r3", "r4")]


def test_what_is_below_the_stable_checkpoint_is_forgotten_and_later_checkpoints_are_told() -> None:
    table = committed(A, B)
    assert not table.timers.keys() & {(node, "view") for node in NODES}
    table.say("c3", "r2", Request(Authenticated("c3", A.content, NODES)))
    for node in ("r3", "r4"):
        table.say(node, "r2", leaving(node))
    past = past_of(table, "r2")
    assert past == Past(1, 2, ((2, digest(table.actors["r2"].state)),), (), ())


def test_one_that_has_left_votes_for_nothing_in_the_old_view() -> None:
    table = prepared()
    table.ring("r2", "view")
    assert table.say("r1", "r2", ordered(B, seq=2)) == (
        Ignore("not from the primary of this view"),
    )
    assert sends(table.say("r3", "r2", Prepare(0, 1, PA))) == []
    assert not table.actors["r2"].prepared
    again = table.actors["r2"].leaving
    table.restart("r2")
    assert sends(table.say("r1", "r2", ordered(B, seq=2))) == []
    assert table.actors["r2"].leaving == again


def test_it_says_the_same_again_after_a_crash_and_from_time_to_time() -> None:
    table = prepared("r3")
    said = sends(table.ring("r2", "view"))
    table.say("r3", "r2", Checkpoint(2, b"x"))
    table.restart("r2")
    assert [each for each in sends(table.ring("r2", "status")) if type(each.msg) is ViewChange] == (
        said
    )


def test_f_plus_1_that_left_for_later_views_take_one_along_to_the_smallest_of_those() -> None:
    table = cast()
    table.say("r3", "r2", leaving("r3", 1_000_000))
    assert table.actors["r2"].view == 0
    table.say("r4", "r2", leaving("r4", 3))
    assert (table.actors["r2"].view, past_of(table, "r2").view) == (3, 3)


def test_f_alone_cannot_make_others_leave_however_often_they_say_so() -> None:
    table = committed(A)
    for view in range(1, 50):
        for node in ("r1", "r2", "r3"):
            table.say("r4", node, leaving("r4", view))
    assert {table.actors[node].view for node in ("r1", "r2", "r3")} == {0}
    assert all(len(table.actors[node].ballots) == 1 for node in ("r1", "r2", "r3"))


def test_the_next_primary_has_time_from_when_a_quorum_left_and_then_twice_as_long() -> None:
    table = prepared()
    table.ring("r2", "view")
    assert ("r2", "view") not in table.timers
    table.say("r3", "r2", leaving("r3"))
    assert ("r2", "view") not in table.timers
    table.say("r4", "r2", leaving("r4"))
    assert table.timers["r2", "view"] == (2 * VIEW_MS[0], 2 * VIEW_MS[1])
    table.ring("r2", "view")
    for node in ("r3", "r4"):
        table.say(node, "r2", leaving(node, 2))
    assert table.timers["r2", "view"] == (4 * VIEW_MS[0], 4 * VIEW_MS[1])


def test_one_that_has_gone_on_counts_as_having_left() -> None:
    table = prepared()
    table.ring("r2", "view")
    table.say("r3", "r2", leaving("r3", 2))
    table.say("r4", "r2", leaving("r4", 1))
    assert ("r2", "view") in table.timers


def test_nobody_waits_for_a_view_that_its_primary_has_given_up() -> None:
    table = prepared()
    table.say("r2", "r3", leaving("r2", 1_000_000))
    assert table.actors["r3"].view == 0
    table.say("r4", "r3", leaving("r4", 1))
    assert (table.actors["r3"].view, past_of(table, "r3").view) == (2, 2)


@pytest.mark.parametrize(
    ("m", "ignored"),
    [
        (leaving("r4"), Ignore("not from a replica")),
        (leaving("r3", to=("r1", "r4")), Ignore("not from a replica")),
        (leaving("r3", stable=-1), Ignore("not what a correct replica would say")),
        (knowing("r3", PA, at=1), Ignore("not what a correct replica would say")),
    ],
)
def test_what_no_correct_replica_says_of_itself_is_ignored(m: ViewChange, ignored: Ignore) -> None:
    assert cast().say("r3", "r2", m) == (ignored,)


def test_an_earlier_or_another_view_change_of_one_replica_is_ignored() -> None:
    table = cast()
    table.say("r3", "r2", leaving("r3", 5))
    for other in (leaving("r3", 4), knowing("r3", PA, view=5)):
        effects = table.say("r3", "r2", other)
        assert effects == (Ignore("left for this view or a later one already"),)


# Acknowledgements: a MAC may be good for the new primary and for nobody else.


def test_a_view_change_is_acknowledged_to_the_new_primary() -> None:
    m = leaving("r3")
    assert sends(cast().say("r3", "r4", m)) == [Send("r2", ack(m))]
    assert sends(cast().say("r2", "r4", leaving("r2"))) == []
    signed = leaving("r3", signed=True)
    assert sends(cast(signed=True).say("r3", "r4", signed)) == []


def new_views(table: Cast) -> list[NewView]:
    return [m for _, to, m in table.sent if type(m) is NewView and to == "r1"]


def test_the_new_primary_waits_until_a_quorum_could_tell_who_said_it() -> None:
    table = prepared()
    table.ring("r2", "view")
    for node in ("r3", "r4"):
        table.say(node, "r2", leaving(node))
    table.say("r4", "r2", ack(leaving("r3")))
    table.say("r1", "r2", ViewChangeAck(1, "r4", b"another"))
    assert new_views(table) == []
    table.say("r3", "r2", ack(leaving("r4")))
    assert len(new_views(table)) == 1


def test_with_signatures_it_need_not_wait() -> None:
    table = cast(signed=True)
    for node in ("r3", "r4"):
        table.say(node, "r2", leaving(node, signed=True))
    assert [m.beginning for m in new_views(table)] == [START]


@pytest.mark.parametrize(
    ("src", "m", "ignored"),
    [
        ("c1", ack(leaving("r3")), Ignore("not a replica")),
        ("r4", ViewChangeAck(1, "c1", b""), Ignore("not a replica")),
        ("r3", ViewChangeAck(1, "r4", b"x"), Ignore("acknowledged already")),
    ],
)
def test_an_acknowledgement_is_of_one_replica_for_another_once(
    src: NodeId, m: ViewChangeAck, ignored: Ignore
) -> None:
    table = cast()
    table.say("r3", "r2", ViewChangeAck(2, "r4", b"x"))
    assert table.say(src, "r2", m) == (ignored,)


# The new view.


def test_a_backup_enters_a_view_that_begins_as_it_must() -> None:
    votes = (knowing("r1", PA), *THREE[1:], knowing("r2", PA))
    table = cast()
    effects = table.say("r2", "r3", begun(Beginning(*GENESIS, (PA,)), *votes))
    assert (table.actors["r3"].view, table.actors["r3"].leaving) == (1, None)
    assert [m for m in sends(effects) if type(m.msg) is Prepare] == [
        Send(node, Prepare(1, 1, PA)) for node in ("r1", "r2", "r4")
    ]


FOUR_PREPARED = (knowing("r1", PA), knowing("r2", PA), leaving("r3"), leaving("r4"))


@pytest.mark.parametrize(
    ("m", "ignored"),
    [
        (
            begun(START, *FOUR_PREPARED),
            Ignore("not what the view must begin with"),
        ),  # A is left out
        (
            begun(Beginning(*GENESIS, (b"x",)), *FOUR_PREPARED),
            Ignore("not what the view must begin with"),
        ),
        (
            begun(Beginning(5, b"x", (PA,)), *FOUR_PREPARED),
            Ignore("not what the view must begin with"),
        ),
        (
            begun(START, *THREE[:2]),
            Ignore("not what the view must begin with"),
        ),  # two are no quorum
        (begun(START, *THREE[:2], THREE[0]), Ignore("not what the view must begin with")),
        (begun(START, *THREE[:2], leaving("c1")), Ignore("not what the view must begin with")),
        (begun(START, *THREE[:2], leaving("r4", 5)), Ignore("not what the view must begin with")),
        (
            begun(START, *THREE[:2], leaving("r4", stable=-1)),
            Ignore("not what the view must begin with"),
        ),
        (begun(START, *THREE, view=2), Ignore("not a view to enter")),  # r2 is not its primary
        (NewView(0, THREE, START), Ignore("not a view to enter")),
    ],
)
def test_it_enters_no_view_that_begins_otherwise(m: NewView, ignored: Ignore) -> None:
    table = cast()
    assert table.say("r2", "r3", m) == (ignored,)
    assert table.actors["r3"].view == 0


def test_it_does_not_go_back_nor_enter_twice() -> None:
    table = cast()
    m = begun(START, *THREE)
    table.say("r2", "r3", m)
    assert table.say("r2", "r3", m) == (Ignore("not a view to enter"),)
    for node in ("r1", "r4"):
        table.say(node, "r3", leaving(node, 2))
    assert table.say("r2", "r3", m) == (Ignore("not a view to enter"),)


def test_what_it_cannot_tell_itself_it_believes_of_f_others_and_the_primary() -> None:
    unsure = leaving("r1", to=("r2", "r4"))
    table = cast()
    m = begun(START, unsure, *THREE[:2])
    table.say("r2", "r3", m)
    assert table.actors["r3"].view == 0
    table.say("r1", "r3", ack(leaving("r1", prepared=((1, Vote(0, PA)),))))
    assert table.actors["r3"].view == 0
    table.say("r4", "r3", ack(unsure))
    assert (table.actors["r3"].view, table.actors["r3"].leaving) == (1, None)


def test_whoever_waits_is_given_what_it_lacks() -> None:
    table = cast(clients=1)
    table.post.clear()
    for node in ("r1", "r2", "r4"):
        table.say("c1", node, Request(A))
    table.post.clear()
    for node in ("r1", "r2", "r4"):
        table.ring(node, "view")
    table.run(lambda src, to, m: to == "r3")
    assert {table.actors[node].view for node in NODES} == {0, 1}
    table.say("c1", "r3", Request(A))
    table.ring("r3", "status")
    table.run()
    assert {table.actors[node].view for node in NODES} == {1}


def test_a_null_request_fills_a_gap_and_disables_no_timer() -> None:
    pb = named((B,))
    votes = ((2, Vote(0, pb)),)
    both = (
        leaving("r1", prepared=votes, pre_prepared=votes),
        leaving("r2", prepared=votes, pre_prepared=votes),
    )
    table = prepared()
    table.say("r2", "r3", begun(Beginning(*GENESIS, (NULL, pb)), *both, THREE[1]))
    table.say("c2", "r3", Request(B))
    for seq, each in ((1, NULL), (2, pb)):
        for kind in (Prepare, Commit):
            for node in ("r2", "r4"):
                table.say(node, "r3", kind(1, seq, each))
        assert ("r3", "view") in table.timers
    assert [f.seq for node, f in table.stated(Committed) if node == "r3"] == [1]
    assert not any(node == "r3" for node, _ in table.stated(Performed))  # B is asked for first
    assert table.actors["r3"].missing() == (pb,)


def test_the_new_view_takes_no_other_request_where_it_began_also_after_a_crash() -> None:
    table = cast()
    table.say("r2", "r3", begun(Beginning(*GENESIS, (PA,)), *FOUR_PREPARED))
    for _ in range(2):
        effects = table.say("r2", "r3", ordered(B, view=1))
        assert effects == (Ignore("outside the window"),)
        table.restart("r3")
    assert sends(table.say("r2", "r3", ordered(B, view=1, seq=2))) != []


# Whole view changes.


def changed(table: Cast, silent: NodeId = "r1") -> Cast:
    """All others lose patience, while one replica neither says nor hears anything."""
    for node in NODES:
        if (node, "view") in table.timers and node != silent:
            table.ring(node, "view")
    table.run(lambda src, to, m: silent in (src, to))
    return table


def test_what_was_committed_stays_where_it_was_and_is_executed_by_all() -> None:
    table = cast(clients=1)
    for node in NODES:
        table.say("c1", node, Request(A))
    # Only r2 gets to execute A.
    table.run(lambda src, to, m: type(m) is Commit and to != "r2")
    changed(table)
    done = {(node, fact.seq, fact.digest) for node, fact in table.stated(Committed)}
    assert done == {(node, 1, PA) for node in ("r2", "r3", "r4")}
    assert table.actors["r4"].view == 1


def test_what_two_backups_were_told_differently_is_executed_nowhere_or_once() -> None:
    table = cast()
    table.say("r1", "r2", ordered(A))
    table.say("r1", "r3", ordered(A))
    table.say("r1", "r4", ordered(B))
    for client, each in (("c1", A), ("c2", B)):
        for node in NODES[1:]:
            table.say(client, node, Request(each))
    changed(table)
    logs = {
        node: [fact.digest for name, fact in table.stated(Committed) if name == node]
        for node in NODES[1:]
    }
    assert all(log == logs["r2"] for log in logs.values())
    assert {table.actors[node].state.count for node in NODES[1:]} == {2}


def test_a_half_built_proposal_of_an_old_view_is_not_proposed_again_in_its_old_place() -> None:
    table = cast()
    table.say("c1", "r1", Request(A))
    table.post.clear()  # nobody else hears of it
    table.say("c2", "r2", Request(B))
    for node in ("r3", "r4"):
        table.say("c2", node, Request(B))
    changed(table)
    assert {table.actors[node].state.count for node in NODES[1:]} == {1}
    table.say("r3", "r1", Status(1, False, 0, 1, ()))
    changed(table, silent="c1")
    for node in NODES[1:]:
        table.say("c1", node, Request(A))
    table.run(lambda src, to, m: "r1" in (src, to))
    assert {(f.client, f.result) for _, f in table.stated(Performed)} == {
        ("c2", b"1"),
        ("c1", b"2"),
    }


@pytest.mark.parametrize(
    ("nodes", "without", "with_acks"), [(4, 15, 21), (7, 48, 78), (10, 99, 171), (13, 168, 300)]
)
@pytest.mark.parametrize("signed", [False, True])
def test_a_view_change_takes_so_many_messages(
    nodes: int, without: int, with_acks: int, signed: bool
) -> None:
    table = cast(nodes=nodes, signed=signed)
    macs = Authenticated("c1", A.content, tuple(table.actors))
    wanted = Signed("c1", A.content) if signed else macs
    for node in table.actors:
        table.say("c1", node, Request(wanted))
    table.post.clear()
    table.sent.clear()
    for node in table.actors:
        table.ring(node, "view")
    table.run()
    kinds = Counter(type(m) for _, _, m in table.sent)
    total = kinds[ViewChange] + kinds[ViewChangeAck] + kinds[NewView]
    assert total == (without if signed else with_acks)
    assert total == nodes * (nodes - 1) + (nodes - 1) + (0 if signed else (nodes - 1) * (nodes - 2))
    assert {actor.view for actor in table.actors.values()} == {1}


def test_requests_that_were_pending_are_proposed_in_the_new_view() -> None:
    table = cast()
    for node in NODES[1:]:
        table.say("c1", node, Request(A))
    changed(table)
    assert [m.view for _, to, m in table.sent if type(m) is PrePrepare and to == "r3"] == [1]
    assert {table.actors[node].state.count for node in NODES[1:]} == {1}


def test_no_replica_goes_beyond_the_views_that_the_checker_allows() -> None:
    table = cast(views=1)
    table.say("c1", "r3", Request(A))
    table.ring("r3", "view")
    for node in ("r2", "r4"):
        table.say(node, "r3", leaving(node))
    assert table.ring("r3", "view") == (Ignore("no views left"),)
    later = begun(START, *(leaving(node, 2) for node in ("r1", "r2", "r3")), view=2)
    assert cast(views=1).say("r3", "r4", later) == (Ignore("no views left"),)


def test_a_primary_can_say_how_its_view_began_also_after_a_crash() -> None:
    table = cast(signed=True)
    for node in ("r3", "r4"):
        table.say(node, "r2", leaving(node, signed=True))
    (m,) = new_views(table)
    table.restart("r2")
    assert Send("r3", m) in sends(table.say("r3", "r2", Status(1, True, 0, 0, ())))
