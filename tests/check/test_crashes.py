"""What crashes can do: between steps, within steps, for good, again and again."""

from __future__ import annotations

import pytest

from quorate.check import Result, check
from quorate.kernel import (
    Actor,
    Context,
    Crash,
    Fact,
    Happening,
    Lazy,
    Message,
    Network,
    NodeId,
    Property,
    Stable,
    Start,
    Timeout,
    World,
    always,
    at_rest,
    sometimes,
)
from quorate.sim import replay


class Said(Fact, frozen=True):
    word: str


class Word(Message, frozen=True):
    text: str


class Listener(Actor):
    def on_word(self, ctx: Context, src: NodeId, m: Word) -> None:
        ctx.output(Said(m.text))


def events_of(result: Result, world: World) -> list[tuple[NodeId, Happening]]:
    """What happened on the way to the violation, after checking that it replays."""
    violation = result.violation
    assert violation is not None
    assert violation.trace is not None
    again = replay(world, violation.trace)
    assert (again.violated, again.difference) == (violation.name, None)
    return [(record.node, record.event) for record in violation.trace.records]


all_or_none = at_rest("all or none", lambda v: len({n for n, _ in v.stated(Said)}) in (0, 2))


class Herald(Actor):
    """Tells two others as soon as it starts, and again whenever it comes back."""

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.broadcast(("l1", "l2"), Word("again" if recovered else "news"))


def told_by(herald: Actor, *properties: Property) -> World:
    return World(
        processes=(herald, Listener("l1"), Listener("l2")),
        properties=properties,
        network=Network.FIFO,
        crashable=frozenset({herald.me}),
    )


def test_the_first_step_of_a_life_can_end_it() -> None:
    world = told_by(Herald("h"), all_or_none)
    assert check(world).exit_code == 0
    events = events_of(check(world, crashes=1), world)
    assert ("h", Crash(Start(), 1)) in events
    assert ("h", Start()) not in events


def test_a_recovery_can_be_cut_as_well() -> None:
    both_or_none = at_rest(
        "both or none hear of the recovery",
        lambda v: len({n for n, f in v.stated(Said) if f.word == "again"}) in (0, 2),
    )
    world = told_by(Herald("h"), both_or_none)
    assert check(world, crashes=1).exit_code == 0
    events = events_of(check(world, crashes=2), world)
    crashes = [event for _, event in events if isinstance(event, Crash)]
    assert crashes[-1] == Crash(Start(recovered=True), 1)


class Boaster(Actor):
    """States its own word, then passes it on; `quiet` ones pass it on first."""

    quiet: bool

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if not recovered:
            ctx.set_timer("speak", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        if not self.quiet:
            ctx.output(Said("mine"))
        ctx.broadcast(("l1", "l2"), Word("mine"))
        if self.quiet:
            ctx.output(Said("mine"))


def test_what_a_step_stated_ahead_of_its_sends_survives_a_crash_within_it() -> None:
    heard = at_rest(
        "whatever is stated by its owner is heard",
        lambda v: (
            len({n for n, _ in v.stated(Said)} - {"b"}) == 2
            or "b" not in {n for n, _ in v.stated(Said)}
        ),
    )
    boasting = told_by(Boaster("b", quiet=False), heard)
    assert ("b", Crash(Timeout("speak"), 0)) in events_of(check(boasting, crashes=1), boasting)
    assert check(told_by(Boaster("b", quiet=True), heard), crashes=1).exit_code == 0


class Caller(Actor):
    """Says one word over a queue, and no more."""

    to: NodeId

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if not recovered:
            ctx.send(self.to, Word("once"))


@pytest.mark.parametrize(
    ("network", "code"), [(Network.SET, 0), (Network.MULTISET, 1), (Network.FIFO, 1)]
)
def test_a_node_may_crash_with_a_message_that_it_did_not_handle(
    network: Network, code: int
) -> None:
    all_up_have_heard = at_rest(
        "who is up has heard", lambda v: len(v.actors) < 2 or any(v.stated(Said)), states=True
    )
    world = World(
        processes=(Caller("c", "l"), Listener("l")),
        properties=(all_up_have_heard,),
        network=network,
        crashable=frozenset({"l"}),
    )
    # A set keeps its messages: there the word can always still be handled.
    assert check(world, crashes=1).exit_code == code


def test_only_where_rest_is_judged_may_a_node_stop_for_good() -> None:
    heard = at_rest("heard", lambda v: any(v.stated(Said)))
    reachable = sometimes("reachable", lambda v: any(v.stated(Said)))
    processes = (Caller("c", "l"), Listener("l"))
    stopped = check(World(processes=processes, properties=(heard,)), crashes=1)
    assert stopped.violation is not None
    never = World(processes=processes, properties=(reachable,))
    assert check(never, crashes=1).distinct == check(never, crashes=0).distinct


def test_a_stopped_node_is_not_among_the_live_ones() -> None:
    both_up = always("both up", lambda v: len(v.actors) == 2, states=True)
    rests = at_rest("rests", lambda v: True)
    world = World(processes=(Listener("l1"), Listener("l2")), properties=(both_up, rests))
    assert check(world).exit_code == 0
    assert [e for _, e in events_of(check(world, crashes=1), world)][-1] == Crash()


def test_crashes_befall_whom_they_may_and_no_more_often_than_allowed() -> None:
    world = World(processes=(Phoenix("p"), Phoenix("q")), properties=(), crashable=frozenset({"p"}))
    # One more local state of p for each life.
    assert [check(world, crashes=n).distinct for n in range(4)] == [1, 2, 3, 4]


class Phoenix(Actor):
    lives: Stable[int] = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.lives += 1


class Scribe(Actor):
    """Writes without forcing, then tells; says after a crash what was left of it."""

    note: Lazy[int] = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if recovered:
            ctx.output(Said(str(self.note)))
        else:
            ctx.set_timer("write", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.note = 1
        ctx.send("l1", Word("written"))


@pytest.mark.parametrize("network", [Network.SET, Network.FIFO])
def test_an_unforced_write_may_be_lost_although_others_heard_of_it(network: Network) -> None:
    def after(note: str, heard: bool) -> Property:
        return sometimes(
            f"{note} {heard}",
            lambda v: (
                ("s", Said(note)) in v.facts and (("l1", Said("written")) in v.facts) == heard
            ),
        )

    cases = [(note, heard) for note in "01" for heard in (False, True)]
    properties = tuple(after(note, heard) for note, heard in cases)
    world = World(processes=(Scribe("s"), Listener("l1")), properties=properties, network=network)
    result = check(world, crashes=1)
    assert {v.name: v.verdict for v in result.verdicts} == {p.name: "holds" for p in properties}
