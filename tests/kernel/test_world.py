"""Worlds, properties and what actors may sign."""

from __future__ import annotations

import pytest

from quorate.kernel import (
    Actor,
    Authenticated,
    Ballot,
    Context,
    Fact,
    Kind,
    Message,
    Process,
    Signed,
    UsageError,
    View,
    World,
    always,
    at_rest,
    eventually,
    sometimes,
)


class Said(Fact, frozen=True):
    word: str


class Other(Fact, frozen=True):
    pass


class Speaker(Actor):
    pass


class Content(Message, frozen=True):
    value: int


def test_two_roles_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="two roles share the name 'a'"):
        World(processes=(Actor("a"), Process("n", (Actor("b"), Actor("a")))), properties=())


def test_a_world_knows_the_process_of_every_role() -> None:
    world = World(processes=(Actor("a"), Process("n", (Actor("b"), Actor("c")))), properties=())
    assert world.hosts() == {"a": 0, "b": 1, "c": 1}


def test_everyone_may_crash_unless_a_world_names_who_may() -> None:
    a, b = Actor("a"), Actor("b")
    world = World(processes=(a, b), properties=())
    assert world.may_crash(a)
    assert not World(processes=(a, b), properties=(), crashable=frozenset({"b"})).may_crash(a)


def test_a_view_gives_facts_and_roles_by_kind() -> None:
    view = View({"s": Speaker("s"), "a": Actor("a")}, (("s", Said("x")), ("a", Other())))
    assert list(view.stated(Said)) == [("s", Said("x"))]
    assert list(view.roles(Speaker)) == [Speaker("s")]


def test_each_kind_of_property_has_its_maker() -> None:
    made = [make("p", bool).kind for make in (always, sometimes, at_rest, eventually)]
    assert made == [Kind.ALWAYS, Kind.SOMETIMES, Kind.AT_REST, Kind.EVENTUALLY]


def test_an_actor_signs_and_authenticates_in_its_own_name_only() -> None:
    ctx = Context("n")
    assert ctx.sign(Content(1)) == Signed("n", Content(1))
    assert ctx.authenticate(Content(1), ("a",)) == Authenticated("n", Content(1), ("a",))


def test_a_mac_convinces_only_those_it_was_made_for() -> None:
    mac = Context("n").authenticate(Content(1), ("a", "b"))
    assert [mac.convinces(node) for node in ("a", "b", "c")] == [True, True, False]


def test_ballots_compare_by_round_and_then_by_proposer() -> None:
    ballots = [Ballot(2, "a"), Ballot(1, "b"), Ballot(1, "a"), Ballot()]
    assert sorted(ballots) == [Ballot(), Ballot(1, "a"), Ballot(1, "b"), Ballot(2, "a")]
