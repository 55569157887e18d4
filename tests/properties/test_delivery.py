"""What members of a group promise to deliver, each judged by the facts of a few short runs."""

from __future__ import annotations

import pytest

from quorate.kernel import Actor, Fact, Property, View
from quorate.properties import delivery
from quorate.properties.delivery import Delivered, Entered, Multicast

Said = list[tuple[str, Fact]]


def asks(node: str, *messages: str) -> Said:
    return [(node, Multicast(message)) for message in messages]


def gets(node: str, *messages: str, view: int = 1, after: int = 0) -> Said:
    return [(node, Delivered(view, n, m)) for n, m in enumerate(messages, after + 1)]


def enters(node: str, view: int, *history: str, joined: bool = False) -> Said:
    return [(node, Entered(view, history, joined))]


def holds(prop: Property, facts: Said) -> bool:
    return prop.holds(View({node: Actor(node) for node in ("p", "q", "r")}, tuple(facts)))


TWO = asks("p", "a", "b")
REPLY = [*asks("p", "a"), *gets("q", "a"), *asks("q", "b")]
CASES: list[tuple[str, Property, bool, Said]] = [
    ("each once", delivery.no_duplication, True, gets("q", "a", "b")),
    ("one twice", delivery.no_duplication, False, gets("q", "a", "a")),
    ("again after a crash, in the view it then joins", delivery.no_duplication, True,
     [*gets("q", "a"), *enters("q", 2, joined=True), *gets("q", "a", view=2)]),
    ("numbers go on from the state it was given", delivery.no_duplication, False,
     [*enters("q", 2, "a", joined=True), *gets("q", "b", view=2)]),
    ("as it was asked", delivery.no_creation, True, [*TWO, *gets("q", "a")]),
    ("what nobody asked for", delivery.no_creation, False, [*TWO, *gets("q", "c")]),
    ("one sender's in its order", delivery.fifo_order, True, [*TWO, *gets("q", "a", "b")]),
    ("the later first", delivery.fifo_order, False, [*TWO, *gets("q", "b", "a")]),
    ("the later without the earlier", delivery.fifo_order, False, [*TWO, *gets("q", "b")]),
    ("what it asked before a crash may be lost", delivery.fifo_order, True,
     [*asks("p", "a"), *enters("p", 2, joined=True), *asks("p", "b"), *gets("q", "b", view=2)]),
    ("an answer first, as fifo allows", delivery.fifo_order, True, [*REPLY, *gets("r", "b", "a")]),
    ("an answer first", delivery.causal_order, False, [*REPLY, *gets("r", "b", "a")]),
    ("an answer after", delivery.causal_order, True, [*REPLY, *gets("r", "a", "b")]),
    ("concurrent ones in two orders", delivery.causal_order, True,
     [*asks("p", "a"), *asks("q", "b"), *gets("p", "a", "b"), *gets("q", "b", "a")]),
    ("a chain over two others", delivery.causal_order, False,
     [*REPLY, *gets("r", "a", "b"), *asks("r", "c"), *gets("p", "a", "c")]),
    ("what was in the state it was given", delivery.causal_order, False,
     [*asks("p", "a"), *enters("q", 2, "a", joined=True), *asks("q", "b"), *gets("r", "b")]),
    ("survivors know the same", delivery.agreement, True,
     [*enters("p", 2, "a", "b"), *enters("q", 2, "b", "a")]),
    ("a survivor lacks one", delivery.agreement, False,
     [*enters("p", 2, "a", "b"), *enters("q", 2, "a")]),
    ("in two orders", delivery.total_order, False,
     [*enters("p", 2, "a", "b"), *enters("q", 2, "b", "a")]),
    ("in one order", delivery.total_order, True,
     [*enters("p", 2, "a", "b"), *enters("q", 2, "a", "b")]),
    ("one is behind", delivery.uniform_total_order, True, [*gets("p", "a", "b"), *gets("q", "a")]),
    ("one has a gap", delivery.uniform_total_order, False, [*gets("p", "a", "b"), *gets("q", "b")]),
    ("who crashed counts", delivery.uniform_total_order, False,
     [*gets("p", "a"), *enters("p", 2, "b", joined=True), *gets("q", "b")]),
    ("remembered in the next view", delivery.uniform_agreement, True,
     [*gets("p", "a"), *enters("q", 2, "a")]),
    ("forgotten in the next view", delivery.uniform_agreement, False,
     [*gets("p", "a"), *enters("q", 2)]),
    ("who is behind in the same view", delivery.uniform_agreement, True,
     [*gets("p", "a", view=2), *enters("q", 2)]),
    ("the same in the end", delivery.same_delivery, True,
     [*gets("p", "a", "b"), *gets("q", "b", "a"), *gets("r", "a", "b")]),
    ("one is behind in the end", delivery.same_delivery, False, gets("p", "a")),
    ("what a past life delivered may be lost", delivery.same_delivery, True,
     [*gets("p", "a"), *enters("p", 2, joined=True)]),
    ("uniformly, it may not", delivery.uniform_delivery, False,
     [*gets("p", "a"), *enters("p", 2, joined=True)]),
    ("uniformly, all of it is there", delivery.uniform_delivery, True,
     [*gets("p", "a"), *(each for node in "pqr" for each in enters(node, 2, "a", joined=True))]),
    ("asked by one, delivered by all", delivery.delivery, True,
     [*asks("p", "a"), *gets("p", "a"), *gets("q", "a"), *gets("r", "a")]),
    ("asked and not delivered by one", delivery.delivery, False,
     [*asks("p", "a"), *gets("p", "a"), *gets("q", "a")]),
    ("asked before a crash", delivery.delivery, True,
     [*asks("p", "a"), *enters("p", 2, joined=True), *asks("p", "b"), *gets("p", "b", view=2),
      *gets("q", "b"), *gets("r", "b")]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "prop", "right", "facts"), CASES, ids=lambda each: str(each)[:50])
def test_a_run_is_judged_by_its_facts(what: str, prop: Property, right: bool, facts: Said) -> None:
    assert holds(prop, facts) is right, what


def test_each_promise_has_a_run_that_keeps_it_and_one_that_breaks_it() -> None:
    found = {thing for thing in vars(delivery).values() if isinstance(thing, Property)}
    judged = {(prop.name, right) for _, prop, right, _ in CASES}
    assert judged >= {
        (prop.name, right)
        for prop in found - {delivery.delivered}  # what `delivery` asks for, at some time
        for right in (True, False)
    }
