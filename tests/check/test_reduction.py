"""Reduced searches: what they leave out, what they must not, and random protocols either way."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from quorate.check import Result
from quorate.check import check as search
from quorate.kernel import (
    Actor,
    Context,
    Fact,
    Kind,
    Message,
    Network,
    NodeId,
    Property,
    Stable,
    UsageError,
    World,
    always,
    at_rest,
    sometimes,
)
from quorate.protocols import build_world
from quorate.sim import replay

pytestmark = pytest.mark.slow


@pytest.fixture
def engine() -> None:
    """Not one by one: these tests compare them."""


def reduced(world: World, **how: object) -> Result:
    """A search that both engines agree on."""
    one, two = (search(world, engine=e, reduce=True, **how) for e in ("numpy", "plain"))  # type: ignore[arg-type]
    assert one.cut == two.cut
    if one.cut is None:
        counts = [(r.distinct, r.transitions, r.depth) for r in (one, two)]
        assert counts[0] == counts[1]
    assert verdicts(one) == verdicts(two)
    return one


def verdicts(result: Result) -> dict[str, str]:
    """What was found of all that does not depend on whole runs."""
    judged = (verdict for verdict in result.verdicts if verdict.kind != Kind.EVENTUALLY.value)
    return {verdict.name: verdict.verdict for verdict in judged}


@pytest.mark.parametrize(
    ("settings", "crashes", "distinct", "left"),
    [({}, 0, 211_992, 4_910), ({}, 1, 436_656, 15_930), ({"thrifty": True}, 0, 858, 176)],
)
def test_paxos_shrinks_and_keeps_its_promises(
    settings: dict[str, object], crashes: int, distinct: int, left: int
) -> None:
    world = build_world("paxos", "small", settings)
    whole = search(world, crashes=crashes, graph_max=0)
    some = reduced(world, crashes=crashes)
    assert (whole.distinct, some.distinct) == (distinct, left)
    assert verdicts(whole) == verdicts(some)


def test_two_rounds_of_two_proposers_can_be_searched_to_their_end() -> None:
    # In full, 195,940,378 states fill 7 GB after 18 levels, before it is half done.
    result = search(build_world("paxos", "small", {"rounds": 2}), reduce=True)
    assert (result.distinct, result.transitions, result.depth) == (604_014, 7_707_048, 28)
    assert (result.cut, result.exit_code) == (None, 0)


class Said(Fact, frozen=True):
    word: str


class Adder(Actor):
    """Counts its own ticks up to a limit, and says so if it is to."""

    ticks_max: int
    says: bool = False
    ticks: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("tick", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.ticks += 1
        if self.ticks < self.ticks_max or not self.ticks_max:
            ctx.set_timer("tick", (1, 1))
        if self.says and self.ticks == self.ticks_max:
            ctx.output(Said(self.me))


def test_steps_that_nobody_sees_are_no_steps() -> None:
    world = World(processes=tuple(Adder(name, 4) for name in "abc"), properties=())
    assert search(world).distinct == 5**3
    assert reduced(world).distinct == 1
    # Each says one thing in the end: what counts is who has said so.
    loud = World(processes=tuple(Adder(name, 4, says=True) for name in "abc"), properties=())
    assert reduced(loud).distinct == 2**3


def ticks(limit: int) -> Property:
    return at_rest(
        f"{limit} ticks",
        lambda v: all(adder.ticks == limit for adder in v.roles(Adder)),
        states=True,
    )


def test_states_at_rest_lie_beyond_the_last_step_that_shows() -> None:
    world = World(processes=(Adder("a", 4), Adder("b", 4)), properties=(ticks(4), ticks(3)))
    result = reduced(world, go_on=True)
    assert result.distinct == 1
    assert verdicts(result) == {"4 ticks": "holds", "3 ticks": "violated"}
    trace = result.verdicts[1].trace
    assert trace is not None
    assert len(trace.records) == 2 + 2 * 4
    again = replay(world, trace)
    assert (again.violated, again.difference) == ("3 ticks", None)


def test_a_property_that_reads_states_sees_every_one() -> None:
    below = always("below", lambda v: all(a.ticks < 3 for a in v.roles(Adder)), states=True)
    world = World(processes=(Adder("a", 4), Adder("b", 4)), properties=(below,))
    result = reduced(world)
    assert verdicts(result) == {"below": "violated"}


def test_silence_without_end_ends_at_a_bound_but_hides_nothing() -> None:
    said = always("nothing is said", lambda v: not v.facts)
    world = World(processes=(Adder("a", 0), Adder("b", 1_200, says=True)), properties=(said,))
    result = search(world, reduce=True)
    assert verdicts(result) == {"nothing is said": "violated"}
    endless = World(processes=(Adder("a", 0),), properties=(said,))
    assert search(endless, reduce=True, states_max=50).cut == "50 states"


class Knock(Message, frozen=True):
    pass


class Guest(Actor):
    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.send("door", Knock())


class Door(Actor):
    """Hears who knocks only once it is open."""

    opened: bool = False

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("open", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.opened = True
        ctx.output(Said("open"))

    def on_knock(self, ctx: Context, src: NodeId, m: Knock) -> None:
        if self.opened:
            ctx.output(Said("come in"))


@pytest.mark.parametrize("network", [Network.SET, Network.MULTISET])
def test_a_message_that_is_ignored_may_matter_later(network: Network) -> None:
    welcome = sometimes("welcome", lambda v: len(v.facts) == 2)
    world = World(processes=(Guest("guest"), Door("door")), properties=(welcome,), network=network)
    result = reduced(world)
    assert verdicts(result) == {"welcome": "holds"}
    # Shut; open; and with the guest in.
    assert result.distinct == 3


class Nag(Actor):
    """Sends the same again and again, to one who does not listen."""

    to: NodeId

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("again", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        ctx.send(self.to, Knock())
        ctx.set_timer("again", (1, 1))


@pytest.mark.parametrize("to", ["deaf", "nag"])
def test_who_sends_for_ever_does_not_rest_though_nobody_listens(to: NodeId) -> None:
    never = at_rest("never at rest", lambda v: False)
    processes = (Nag("nag", to), Adder("deaf", 1))
    verdict = {
        network: verdicts(reduced(World(processes=processes, properties=(never,), network=network)))
        for network in (Network.SET, Network.MULTISET)
    }
    # Sets have room for one of a kind: there all is said once it was said.
    assert verdict[Network.SET] == {"never at rest": "violated"}
    assert verdict[Network.MULTISET] == {"never at rest": "holds"}


def test_a_search_is_reduced_or_folded_but_not_both() -> None:
    with pytest.raises(UsageError, match="choose one"):
        search(World(processes=(Door("door"),), properties=()), reduce=True, symmetry=True)


class Note(Message, frozen=True):
    kind: int


class Rule(Fact, frozen=True):
    """In a state, at an event: the state then, what is kept, who is told what, what is said."""

    state: int
    event: int
    after: int
    kept: int
    tells: tuple[tuple[NodeId, int], ...]
    says: str
    arms: bool


class Puppet(Actor):
    """Does what its rules say, the first that fits; ignores what no rule is about."""

    rules: tuple[Rule, ...]
    state: int = 0
    kept: Stable[int] = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.state = self.kept
        ctx.set_timer("go", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.obey(ctx, 0)

    def on_note(self, ctx: Context, src: NodeId, m: Note) -> None:
        self.obey(ctx, m.kind)

    def obey(self, ctx: Context, event: int) -> None:
        for rule in self.rules:
            if (rule.state, rule.event) == (self.state, event):
                self.state, self.kept = rule.after, rule.kept
                for to, kind in rule.tells:
                    ctx.send(to, Note(kind))
                if rule.says:
                    ctx.output(Said(rule.says))
                if rule.arms:
                    ctx.set_timer("go", (1, 1))
                return


NODES = ("a", "b", "c")
RULES = st.builds(
    Rule,
    state=st.integers(0, 2),
    event=st.integers(0, 2),
    after=st.integers(0, 2),
    kept=st.integers(0, 1),
    tells=st.lists(
        st.tuples(st.sampled_from(NODES), st.integers(1, 2)), max_size=2, unique=True
    ).map(tuple),
    says=st.sampled_from(("", "", "x", "y")),
    arms=st.booleans(),
)
PUPPETS = st.tuples(*(st.lists(RULES, min_size=2, max_size=5).map(tuple) for _ in NODES))


def observed() -> tuple[Property, ...]:
    """Everything that could be told of a puppet show: what can be said, and how it can end."""
    said = [
        sometimes(f"{one}: {word}, {other}: {after}", lambda v, want=want: want <= set(v.facts))
        for one, other in product(NODES, NODES)
        for word, after in product("xy", "xy")
        for want in [frozenset({(one, Said(word)), (other, Said(after))})]
    ]
    silent = [
        at_rest(f"{node} has said {fact.word}", lambda v, want=(node, fact): want in v.facts)
        for node, fact in product(NODES, (Said("x"), Said("y")))
    ]
    ended = [
        at_rest(
            f"{node} is not {state}",
            lambda v, node=node, state=state: all(
                p.me != node or p.state != state for p in v.roles(Puppet)
            ),
            states=True,
        )
        for node, state in product(NODES, range(3))
    ]
    return (*said, *silent, *ended)


@given(rules=PUPPETS, network=st.sampled_from(list(Network)), crashes=st.integers(0, 1))
def test_random_protocols_are_judged_alike(
    rules: tuple[tuple[Rule, ...], ...], network: Network, crashes: int
) -> None:
    puppets = tuple(map(Puppet, NODES, rules))
    world = World(processes=puppets, properties=observed(), network=network, crashes=crashes)
    whole = search(world, go_on=True, states_max=500)
    assume(whole.cut is None)
    some = reduced(world, go_on=True)
    assert verdicts(some) == verdicts(whole)
    assert some.distinct <= whole.distinct
