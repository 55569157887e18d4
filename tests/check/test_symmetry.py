"""Symmetry: orbits are counted exactly, verdicts stay the same, and what is not symmetric is
refused."""

from __future__ import annotations

from itertools import permutations, product
from math import comb
from typing import Self

import msgspec
import pytest

from check.naive import Global, Naive, Node
from pins import pin
from quorate.check import check
from quorate.check import check as search  # on an engine of its own choice
from quorate.check.renaming import Lists, Renaming
from quorate.kernel import (
    Actor,
    Context,
    Fact,
    Lazy,
    Map,
    Message,
    Network,
    NodeId,
    Observer,
    Process,
    Stable,
    UsageError,
    World,
    always,
    at_rest,
    sometimes,
)
from quorate.mutants import find_mutants
from quorate.protocols import build_world
from quorate.sim import replay

pytestmark = pytest.mark.slow

Group = tuple[tuple[str, ...], ...]


def alike(*names: str) -> Group:
    return tuple((name,) for name in names)


def with_symmetry(world: World, *groups: Group) -> World:
    return msgspec.structs.replace(world, symmetry=groups)


# Counts.


@pytest.mark.parametrize("participants", range(1, 7))
def test_orbits_of_two_phase_commit_follow_the_closed_form(participants: int) -> None:
    n = participants
    world = build_world("two_phase_commit", "tla", {"participants": n})
    result = check(world, symmetry=True)
    # By how many participants are in which state; see Ip and Dill on scalar sets.
    count = comb(n + 3, 3) + comb(n + 5, 5) + (n + 1)
    pin("TwoPhase, orbits, closed form", result, distinct=count, depth=3 * n + 2)
    assert result.symmetry
    assert result.exit_code == 0


def orbits(world: World, network: Network) -> tuple[int, int]:
    """Orbits among the states of a naive search, and its levels, by trying the whole group."""
    naive = Naive(world, network)
    levels = naive.levels()
    names = frozenset(name for group in world.symmetry for block in group for name in block)
    lists = Lists(world, names)
    index = {process.me: number for number, process in enumerate(world.processes)}
    group = []
    for images in product(*(permutations(blocks) for blocks in world.symmetry)):
        pairs = zip(world.symmetry, images, strict=True)
        renamed = {
            old: new
            for blocks, image in pairs
            for block, other in zip(blocks, image, strict=True)
            for old, new in zip(block, other, strict=True)
        }
        group.append(Renaming(renamed, lists))

    def rename(renaming: Renaming, state: Global) -> Global:
        nodes: dict[int, Node] = {}
        for node in state.nodes:
            timers = frozenset((renaming(role), renaming(timer)) for role, timer in node.timers)
            actor = renaming(node.actor)
            nodes[index[actor.me]] = Node(actor, timers, renaming.stated(node.facts))
        flight = [tuple(map(renaming, envelope)) for envelope in state.flight]
        ordered = tuple(nodes[number] for number in sorted(nodes))
        return Global(ordered, naive.canonical(flight), state.crashes)

    left, count = set(levels), 0
    while left:
        state = left.pop()
        count += 1
        for renaming in group:
            image = rename(renaming, state)
            assert image in levels
            assert levels[image] == levels[state]
            left.discard(image)
    return count, max(levels.values())


PAXOS: list[tuple[str, dict[str, object], Network]] = [
    ("small", {"proposers": 1, "crashes": 1, "learners": 2}, Network.SET),
    ("small", {"proposers": 1, "acceptors": 4, "learners": 0}, Network.SET),
    ("small", {"proposers": 1, "learners": 0}, Network.MULTISET),
    ("small", {"proposers": 1, "learners": 0}, Network.FIFO),
    ("small", {"acceptors": 2, "learners": 0}, Network.SET),
]


@pytest.mark.parametrize(("name", "settings", "network"), PAXOS)
def test_orbits_are_those_of_a_naive_search(
    name: str, settings: dict[str, object], network: Network
) -> None:
    world = build_world("paxos", name, settings)
    folded, full = check(world, network=network, symmetry=True), check(world, network=network)
    assert (folded.distinct, folded.depth) == orbits(world, network)
    assert folded.distinct < full.distinct
    assert folded.transitions < full.transitions
    same = [v.name for v in full.verdicts if v.kind != "eventually"]
    fared = [{v.name: v.verdict for v in result.verdicts} for result in (folded, full)]
    assert [fared[0][name] for name in same] == [fared[1][name] for name in same]


def test_runs_are_not_judged_under_symmetry() -> None:
    world = build_world("paxos", "small", {"proposers": 1, "crashes": 1})
    verdict = next(v for v in check(world, symmetry=True).verdicts if v.kind == "eventually")
    assert (verdict.verdict, "under symmetry" in verdict.reason) == ("unknown", True)


def test_roles_of_one_process_travel_together() -> None:
    world = with_symmetry(
        build_world("paxos", "colocated", {"nodes": 3, "proposers": 1, "rounds": 1}),
        (("n2", "a2", "l2"), ("n3", "a3", "l3")),
    )
    assert check(world, symmetry=True).distinct == orbits(world, Network.SET)[0]


class Token(Message, frozen=True):
    holder: NodeId


class Held(Fact, frozen=True):
    times: int


class Member(Actor):
    """Passes a token on to anyone whom it has not heard of; lists its peers in its own order."""

    peers: tuple[NodeId, ...]
    begins: bool = False
    seen: Map[NodeId, int] = Map()
    times: Stable[int] = 0
    last: Lazy[NodeId | None] = None

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if not recovered:
            ctx.choose("to", self.peers)

    def on_choice(self, ctx: Context, key: str, value: int | str) -> None:
        self.last = str(value)
        ctx.send(str(value), Token(self.me))

    def on_token(self, ctx: Context, src: NodeId, m: Token) -> None:
        if m.holder in self.seen:
            return ctx.ignore("again")
        self.seen = self.seen.put(m.holder, len(self.seen))
        self.times = max(self.times, len(self.seen))
        ctx.output(Held(self.times))


class Firsts(Observer, frozen=True):
    """Who held a token first, second …"""

    order: tuple[NodeId, ...] = ()

    def see(self, node: NodeId, fact: Fact) -> Self:
        return self if node in self.order else type(self)(self.me, (*self.order, node))


def ring(count: int, *observers: Observer) -> World:
    names = [f"m{index}" for index in range(count)]
    members = [Member(me, tuple(other for other in names if other != me)) for me in names]
    return World(
        processes=tuple(members),
        observers=observers,
        properties=(),
        symmetry=(alike(*names),),
    )


def test_choices_maps_lazy_fields_and_lists_of_peers_are_renamed() -> None:
    folded = check(ring(3), symmetry=True, crashes=1)
    full = check(ring(3), crashes=1)
    assert full.distinct / 6 <= folded.distinct < full.distinct / 5
    assert folded.depth == full.depth
    # Counted directly, with no crash: whom each has chosen, if anyone, and for each node an order
    # of some of those that chose it.
    choices = list(product((None, 0, 1), repeat=3))
    count = 0
    for choice in choices:
        suitors = [0, 0, 0]
        for node, other in enumerate(choice):
            if other is not None:
                suitors[[m for m in range(3) if m != node][other]] += 1
        orders = {0: 1, 1: 2, 2: 5}  # ways to have received from some of them, in some order
        count += orders[suitors[0]] * orders[suitors[1]] * orders[suitors[2]]
    assert check(ring(3)).distinct == count


def test_observers_are_renamed_too() -> None:
    world = ring(3, Firsts("firsts"))
    folded, full = check(world, symmetry=True), check(world)
    assert full.distinct > check(ring(3)).distinct
    assert full.distinct / 6 <= folded.distinct < full.distinct / 5
    assert folded.depth == full.depth


# Verdicts.


def mutated() -> dict[str, World]:
    """A symmetric world for each mutant of a role of Paxos."""
    worlds = {}
    for mutant in find_mutants("paxos"):
        used = {kind for process in mutant.world().processes for kind in type(process).__mro__}
        world = build_world("paxos", "small", {"acceptors": 2, "learners": 0, "crashes": 1})
        processes = []
        for process in world.processes:
            kinds = [kind for kind in used if issubclass(kind, type(process))]
            kind = max(kinds, key=lambda kind: len(kind.__mro__))
            processes.append(kind(**msgspec.structs.asdict(process)))
        worlds[mutant.name] = msgspec.structs.replace(world, processes=tuple(processes))
    return worlds


def test_mutants_are_caught_in_as_many_steps_and_their_traces_are_real() -> None:
    caught = set()
    for name, world in mutated().items():
        limits = {"states_max": 20_000}
        full, folded = check(world, **limits), check(world, symmetry=True, **limits)
        if full.violation is None:
            continue
        caught.add(name)
        assert folded.violation is not None, name
        assert folded.violation.name == full.violation.name
        mine, theirs = folded.violation.trace, full.violation.trace
        assert mine is not None
        assert theirs is not None
        assert len(mine.records) == len(theirs.records)
        again = replay(world, mine)
        assert (again.violated, again.difference) == (folded.violation.name, None)
    assert len(caught) >= 4, caught


@pytest.mark.parametrize("states", [False, True])
@pytest.mark.parametrize("who", ["rm1", "rm2", "rm3"])
def test_a_property_need_not_be_symmetric(who: str, states: bool) -> None:
    """That it is always another one that aborts first is false for each of them."""
    world = build_world("two_phase_commit", "tla", {"participants": 3})
    names = {"rm1", "rm2", "rm3"}

    def decided(view: object) -> set[NodeId]:
        return {node for node, fact in view.facts if type(fact).__name__ == "Decided"}  # type: ignore[attr-defined]

    properties = (
        always("never alone", lambda v: decided(v) & names != {who}, states=states),
        sometimes("both others", lambda v: decided(v) & names == names - {who}, states=states),
        at_rest("all in the end", lambda v: decided(v) >= names, states=states),
    )
    world = msgspec.structs.replace(world, properties=properties)
    result = check(world, symmetry=True, go_on=True)
    full = check(world, go_on=True)
    assert [v.verdict for v in result.verdicts] == [v.verdict for v in full.verdicts]
    assert [v.verdict for v in result.verdicts] == ["violated", "holds", "holds"]
    trace = result.verdicts[0].trace
    assert trace is not None
    assert trace.records[-1].node == who
    again = replay(world, trace)
    assert (again.violated, again.difference) == ("never alone", None)


def test_a_failure_of_one_is_a_failure_of_each() -> None:
    world = World(processes=(Clumsy("a"), Clumsy("b")), properties=(), symmetry=(alike("a", "b"),))
    result = check(world, symmetry=True, go_on=True)
    assert [v.name for v in result.verdicts] == [
        "no step fails (a: KeyError: 'a')",
        "no step fails (b: KeyError: 'b')",
    ]


class Clumsy(Actor):
    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("t", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        raise KeyError(self.me)


def test_liveness_is_not_judged_under_symmetry() -> None:
    result = check(build_world("paxos", "small", {"proposers": 1}), symmetry=True)
    verdict = next(v for v in result.verdicts if v.kind == "eventually")
    assert (verdict.verdict, "under symmetry" in verdict.reason) == ("unknown", True)


# Refusals.


def refusal(world: World, **how: object) -> str:
    with pytest.raises(UsageError) as caught:
        check(world, symmetry=True, **how)  # type: ignore[arg-type]
    return str(caught.value)


def test_ballots_that_are_compared_by_name_are_refused_with_the_step() -> None:
    world = build_world("paxos", "small", {"learners": 0})
    text = refusal(with_symmetry(world, (("p1", "v1"), ("p2", "v2"))))
    assert "not symmetric under p1→p2, p2→p1, v1→v2, v2→v1" in text
    assert "Promise(1p2, –)" in text
    assert "Nack(1p1, 1p2)" in text


def test_the_order_of_a_broadcast_is_refused_where_a_crash_can_show_it() -> None:
    world = build_world("paxos", "small", {"proposers": 1, "learners": 0})
    assert "p1 crash in mid-step after 1 sends" in refusal(world, network=Network.FIFO, crashes=1)
    assert check(world, network=Network.FIFO, symmetry=True).exit_code == 0


def test_nodes_that_begin_differently_are_refused() -> None:
    world = build_world("two_phase_commit", "main", {"participants": 2})
    text = refusal(with_symmetry(world, alike("rm1", "rm2")))
    assert "tm begins with asked {rm2}, not {rm1}" in text
    one_falls = msgspec.structs.replace(ring(2), crashable=frozenset({"m0"}))
    assert "only one of m0 and m1 may crash" in refusal(one_falls)
    alone = with_symmetry(
        build_world("paxos", "colocated", {"nodes": 2, "proposers": 0, "rounds": 1}),
        alike("a1", "a2"),
    )
    assert "a block must name all that travels together" in refusal(alone)


class Partial(Observer, frozen=True):
    """Minds one of them only, though it does not say so where it begins."""

    count: int = 0

    def see(self, node: NodeId, fact: Fact) -> Self:
        return type(self)(self.me, self.count + 1) if node == "m0" else self


def test_observers_that_prefer_one_are_refused() -> None:
    assert "observers do not see" in refusal(ring(2, Partial("partial")))


class Sorter(Actor):
    """Prefers the peer that comes first in the alphabet, and says so in a field."""

    peers: frozenset[NodeId]
    order: tuple[NodeId, ...] = ()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("t", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.order = tuple(sorted(self.peers))


def test_what_is_sorted_by_name_is_refused() -> None:
    names = alike("a", "b", "c")
    sorters = tuple(Sorter(me, frozenset("abc")) for me in "abc")
    text = refusal(World(processes=sorters, properties=(), symmetry=(names,)))
    assert "order ()→(a b c)" in text


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        ((), "set World.symmetry"),
        ((alike("m0", "m1"), alike("m1", "m2")), "'m1' is named twice"),
        (((("m0",), ("m1", "m2")),), "must name equally many"),
        ((alike("m0", "x"),), "there is no process x"),
    ],
)
def test_bad_symmetries_are_refused(groups: tuple[Group, ...], text: str) -> None:
    assert text in refusal(with_symmetry(ring(3), *groups))


def test_roles_within_one_process_may_change_places() -> None:
    pair = (Member("m0", ("m1",)), Member("m1", ("m0",)))
    world = World(processes=(Process("both", pair),), properties=(), symmetry=(alike("m0", "m1"),))
    # What is chosen arrives at once: neither, one of them, and both, one or the other first.
    assert check(world).distinct == 5
    assert check(world, symmetry=True).distinct == 3


def test_too_many_permutations_are_left_to_the_plain_engine() -> None:
    world = build_world("two_phase_commit", "tla", {"participants": 7})
    with pytest.raises(UsageError, match="no more than 720 permutations: take engine plain"):
        search(world, symmetry=True, engine="numpy")
    assert search(world, symmetry=True).engine == "plain"
    small = build_world("two_phase_commit", "tla", {"participants": 6})
    assert search(small, symmetry=True).engine == "numpy"
