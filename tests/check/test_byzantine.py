"""Byzantine nodes, which may send anything of a stated universe at any time."""

from __future__ import annotations

from itertools import combinations, product

import msgspec
import pytest

from quorate.check import check
from quorate.kernel import (
    Actor,
    Authenticated,
    Context,
    Fact,
    Map,
    Message,
    Network,
    NodeId,
    Process,
    Signed,
    UsageError,
    World,
    always,
    at_rest,
    sometimes,
)
from quorate.sim import Faults, replay, simulate


class Order(Message, frozen=True):
    """The commander's order."""

    attack: bool


class Relayed(Message, frozen=True):
    """What a lieutenant says that it was told."""

    attack: bool


class Obeys(Fact, frozen=True):
    attack: bool


class Commander(Actor):
    lieutenants: tuple[NodeId, ...]

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.broadcast(self.lieutenants, Order(True))


class Lieutenant(Actor):
    """Oral messages with one round of relaying; `relays` is what makes OM(1) of OM(0)."""

    commander: NodeId
    others: tuple[NodeId, ...]
    relays: bool
    told: Map[NodeId, bool] = Map()
    done: bool = False

    def on_order(self, ctx: Context, src: NodeId, m: Order) -> None:
        if src != self.commander or src in self.told:
            return ctx.ignore("not an order, or not the first")
        self.told = self.told.put(src, m.attack)
        if self.relays:
            ctx.broadcast(self.others, Relayed(m.attack))
        self.decide(ctx)

    def on_relayed(self, ctx: Context, src: NodeId, m: Relayed) -> None:
        if src not in self.others or src in self.told:
            return ctx.ignore("not from a lieutenant, or not the first")
        self.told = self.told.put(src, m.attack)
        self.decide(ctx)

    def decide(self, ctx: Context) -> None:
        if len(self.told) == (1 + len(self.others) if self.relays else 1):
            yes = sum(attack for _, attack in self.told.items())
            self.done = True
            ctx.output(Obeys(2 * yes > len(self.told)))


def loyal_agree(loyal: frozenset[NodeId]) -> object:
    return always(
        "IC1: loyal lieutenants obey the same order",
        lambda v: len({f.attack for n, f in v.stated(Obeys) if n in loyal}) < 2,
    )


def loyal_obey(loyal: frozenset[NodeId]) -> object:
    return always(
        "IC2: loyal lieutenants obey a loyal commander",
        lambda v: all(f.attack for n, f in v.stated(Obeys) if n in loyal),
    )


def generals(count: int, traitor: NodeId, relays: bool = True) -> World:
    """One commander and lieutenants l1…; the traitor may say anything to anyone."""
    names = tuple(f"l{index}" for index in range(1, count))
    lieutenants = (Lieutenant(me, "c", tuple(o for o in names if o != me), relays) for me in names)
    loyal = frozenset(names) - {traitor}
    kind: type[Order | Relayed] = Order if traitor == "c" else Relayed
    universe = tuple((to, kind(attack)) for to in sorted(loyal) for attack in (False, True))
    properties = [loyal_agree(loyal), sometimes("obeyed", lambda v: any(v.stated(Obeys)))]
    if traitor != "c":
        properties.append(loyal_obey(loyal))
    return World(
        processes=(Commander("c", names), *lieutenants),
        properties=tuple(properties),  # type: ignore[arg-type]
        byzantine={traitor: universe},
    )


@pytest.mark.parametrize("network", list(Network))
@pytest.mark.parametrize("traitor", ["c", "l2"])
def test_four_generals_with_one_traitor_agree(traitor: NodeId, network: Network) -> None:
    result = check(generals(4, traitor), network=network)
    assert {v.verdict for v in result.verdicts} == {"holds"}


@pytest.mark.parametrize("network", list(Network))
@pytest.mark.parametrize(
    ("world", "broken"),
    [
        (generals(3, "l2"), "IC2: loyal lieutenants obey a loyal commander"),
        (generals(4, "c", relays=False), "IC1: loyal lieutenants obey the same order"),
    ],
    ids=["three generals", "no relaying"],
)
def test_three_generals_or_too_few_rounds_do_not(
    world: World, broken: str, network: Network
) -> None:
    result = check(world, network=network)
    assert result.violation is not None
    assert result.violation.name == broken
    trace = result.violation.trace
    assert trace is not None
    again = replay(world, trace)
    assert (again.violated, again.difference) == (broken, None)
    # What the traitor says is in the trace, just before it is heard.
    (traitor,) = world.byzantine
    said = [i for i, r in enumerate(trace.records) if r.node == traitor][1:]
    assert said
    assert all(getattr(trace.records[i + 1].event, "src", None) == traitor for i in said)


def test_states_are_those_that_lies_can_lead_to() -> None:
    # Each of two lieutenants that listen to the commander only was told nothing, or one of two.
    world = msgspec.structs.replace(generals(3, "c", relays=False), properties=())
    result = check(world)
    assert (result.distinct, result.depth) == (9, 3)
    assert result.transitions == 1 + sum(
        2 * told.count(None) for told in product((None, False, True), repeat=2)
    )


def test_symmetry_and_byzantine_nodes_go_together() -> None:
    world = msgspec.structs.replace(generals(4, "c"), symmetry=((("l1",), ("l2",), ("l3",)),))
    assert check(world, symmetry=True).distinct < check(world).distinct / 4


class Waiter(Actor):
    """Waits for an order, and then crashes as it passes it on, if it may."""

    others: tuple[NodeId, ...]
    attack: bool | None = None

    def on_order(self, ctx: Context, src: NodeId, m: Order) -> None:
        if self.attack is None:
            self.attack = m.attack
            ctx.broadcast(self.others, Relayed(m.attack))

    def on_relayed(self, ctx: Context, src: NodeId, m: Relayed) -> None:
        ctx.output(Obeys(m.attack))


def waiting(crashes: int = 0) -> World:
    return World(
        processes=(Actor("t"), Waiter("a", ("b", "c")), Waiter("b", ()), Waiter("c", ())),
        properties=(at_rest("both or none", lambda v: len(list(v.stated(Obeys))) != 1),),
        network=Network.FIFO,
        crashes=crashes,
        crashable=frozenset({"a", "t"}),
        byzantine={"t": (("a", Order(True)),)},
    )


def test_a_state_is_at_rest_though_a_lie_could_change_it() -> None:
    starved = at_rest("someone was told", lambda v: any(v.stated(Obeys)))
    world = msgspec.structs.replace(waiting(), properties=(starved,))
    result = check(world)
    assert result.violation is not None
    trace = result.violation.trace
    assert trace is not None
    assert len(trace.records) == len(world.processes)  # all have started, and that is all


def test_a_node_may_crash_while_it_hears_a_lie_but_a_traitor_need_not() -> None:
    assert check(waiting()).exit_code == 0
    result = check(waiting(crashes=1))
    assert result.violation is not None
    trace = result.violation.trace
    assert trace is not None
    again = replay(waiting(crashes=1), trace)
    assert (again.violated, again.difference) == ("both or none", None)
    fallen = {record.node for record in trace.records if type(record.event).__name__ == "Crash"}
    assert fallen == {"a"}


def test_roles_that_share_a_process_with_a_traitor_are_traitors() -> None:
    both = Process("n", (Waiter("a", ("b",)), Actor("t")))
    world = World(
        processes=(both, Process("m", (Waiter("b", ()),))),
        properties=(sometimes("b obeys", lambda v: any(n == "b" for n, _ in v.stated(Obeys))),),
        byzantine={"t": (("a", Order(True)), ("b", Order(True)))},
    )
    assert check(world).verdicts[0].verdict == "violated"  # a is not there to relay it
    more = {**world.byzantine, "a": (("b", Relayed(True)),)}
    assert check(msgspec.structs.replace(world, byzantine=more)).verdicts[0].verdict == "holds"


def test_what_a_traitor_signs_it_signs_as_itself() -> None:
    for mine in (Signed("t", Order(True)), Authenticated("t", Order(True), ("a",))):
        check(msgspec.structs.replace(waiting(), byzantine={"t": (("a", Wrapped(mine)),)}))
    for other in (Signed("c", Order(True)), Authenticated("c", Order(True), ("a",))):
        world = msgspec.structs.replace(waiting(), byzantine={"t": (("a", Wrapped(other)),)})
        with pytest.raises(UsageError, match="byzantine: t cannot use the key of c"):
            check(world)


class Wrapped(Message, frozen=True):
    proof: Signed[Order] | Authenticated[Order]


@pytest.mark.parametrize("byzantine", [{"x": ()}, {"t": (("x", Order(True)),)}])
def test_unknown_names_are_refused(
    byzantine: dict[NodeId, tuple[tuple[NodeId, Message], ...]],
) -> None:
    with pytest.raises(UsageError, match="byzantine: there is no node 'x'"):
        check(msgspec.structs.replace(waiting(), byzantine=byzantine))


def test_the_simulator_lies_too() -> None:
    verdicts = {
        count: [
            simulate(generals(count, "l2"), seed=seed, faults=Faults()).violated
            for seed in range(30)
        ]
        for count in (3, 4)
    }
    assert set(verdicts[4]) == {None}
    assert "IC2: loyal lieutenants obey a loyal commander" in verdicts[3]


def test_five_generals_hold_against_any_one_traitor_but_not_against_two() -> None:
    names = ("l1", "l2", "l3", "l4")
    for traitors in combinations(names, 2):
        loyal = frozenset(names) - set(traitors)
        one, two = (generals(5, traitor) for traitor in traitors)
        both = msgspec.structs.replace(
            one,
            byzantine={**one.byzantine, **two.byzantine},
            properties=(loyal_obey(loyal),),
        )
        assert check(both).exit_code == 1
        assert check(one).exit_code == 0
