"""Interactive consistency: decide one vector of what all nodes propose.

Problem      IC: all decide the same vector, which holds the value of each node that does not fail
Source       the lecture, "Equivalence of Consensus Variants" (IC from BG, C from IC); Coulouris,
             Dollimore and Kindberg, Distributed Systems, 5th edition 2012, section 15.5.1
Model        that of the command consensus which is run; here, that of flooding consensus
Quorum       that of the command consensus which is run; here, all who have not failed
Roles
  Collector   runs command consensus once for each node, as that node's general, or as commander
  Selector    runs interactive consistency, and decides the value that most of the vector hold
  Commander   as in command consensus
  Lieutenant  as in command consensus
  Node        as in flooding consensus
Messages
  Order       commander → lieutenants — decide this, as my entry of the vector
  Wish        lieutenant → node — propose this (within a process: no message is sent)
  Values      node → nodes — as in flooding consensus
  Back        node → nodes, commander → lieutenants — I was gone and am back: count me out
Stable       none: whoever comes back drops out
Guarantees   agreement, plain_agreement, truth, completeness, decision, full_termination
Cost         until all have decided:
             nodes·(nodes - 1)·(1 + (nodes - 1)·(nodes - 2)) messages, nodes message delays,
             0 forced writes, 0 write delays
Deviations   none
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from quorate.kernel import (
    Actor,
    Context,
    Fact,
    Map,
    Network,
    NodeId,
    Process,
    World,
    instance,
)
from quorate.properties.consensus import (
    Collected,
    Decided,
    Failed,
    Proposed,
    agreement,
    completeness,
    decision,
    full_termination,
    plain_agreement,
    truth,
    unanimity,
    validity,
)
from quorate.properties.cost import Cost
from quorate.protocols import command_consensus
from quorate.protocols.command_consensus import (  # noqa: F401 - roles are found by name
    DEFAULT,
    SUSPECT_MS,
    Back,
    Commander,
    Lieutenant,
    Node,
    Order,
    Values,
    Wish,
)

Msg = Order | Wish | Values | Back

IC = "ic"
"""The name of the instance of interactive consistency."""


class Collector(Actor):
    """Runs command consensus once for each node, as that node's general, or as commander.

    `entries`: the instances, with the node of each.
    """

    entries: Map[NodeId, NodeId]
    wish: str
    decided: Map[NodeId, str] = Map()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.output(Failed() if recovered else Proposed(self.wish))

    def on_stated(self, ctx: Context, role: NodeId, fact: Fact) -> None:
        if not isinstance(fact, Decided):
            return
        self.decided = self.decided.put(self.entries[role], fact.value)
        if len(self.decided) == len(self.entries):
            known = (entry for entry in self.decided.sorted() if entry[1] != DEFAULT)
            ctx.output(Collected(tuple(known)))


class Selector(Actor):
    """Runs interactive consistency, and decides the value that most of the vector hold."""

    wish: str

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.output(Failed() if recovered else Proposed(self.wish))

    def on_stated(self, ctx: Context, role: NodeId, fact: Fact) -> None:
        if isinstance(fact, Collected):
            ctx.output(Decided(self.select([value for _, value in fact.vector])))

    def select(self, values: list[str]) -> str:
        """The value that occurs most often; the least of several."""
        return max(sorted(values), key=values.count)


Inner = Callable[[NodeId, tuple[NodeId, ...], str], tuple[Actor, ...]]
"""What makes one general's part in command consensus: its name, all names, the commander's first,
and the order that it gives if that is it."""


def roles(me: NodeId, nodes: tuple[NodeId, ...], wish: str, inner: Inner) -> tuple[Actor, ...]:
    """The part of one node: a collector, and its part in an instance for each of the nodes."""
    label = {node: str(i) for i, node in enumerate(nodes, 1)}
    entries = Map((instance(me, label[node]), node) for node in nodes)
    parts: list[Actor] = [Collector(me, entries, wish)]
    for commander in nodes:
        order = (commander, *(node for node in nodes if node != commander))
        generals = tuple(instance(node, label[commander]) for node in order)
        parts += inner(instance(me, label[commander]), generals, wish)
    return tuple(parts)


PROPERTIES = (agreement, plain_agreement, truth, completeness, decision, full_termination)
CONSENSUS = (agreement, plain_agreement, validity, unanimity, decision, full_termination)


def world(nodes: int = 4, faults: int = 0, suspect_ms: int = SUSPECT_MS) -> World:
    """Nodes n1…, each with a value of its own, of which so many may fail; 0: all but one."""
    wishes = [f"v{i}" for i in range(1, nodes + 1)]
    processes = [Process(me, each) for me, each in _roles(wishes, faults or nodes - 2, suspect_ms)]
    return World(processes=tuple(processes), properties=PROPERTIES, synchronous=True)


def small(nodes: int = 3, faults: int = 1, crashes: int = 1) -> World:
    """Whoever fails comes back and says so; nobody is suspected of it before."""
    wishes = [f"v{i}" for i in range(1, nodes + 1)]
    return World(
        processes=tuple(Process(me, each) for me, each in _roles(wishes, faults, 0)),
        properties=PROPERTIES,
        network=Network.FIFO,
        crashes=crashes,
    )


def consensus(wishes: str = "abb", faults: int = 1, crashes: int = 1, suspect_ms: int = 0) -> World:
    """Consensus by the vector; for each node a letter, which it wishes for."""
    processes = (
        Process(me, (Selector(me, wish), *each))
        for wish, (me, each) in zip(wishes, _roles(wishes, faults, suspect_ms, IC), strict=True)
    )
    return World(
        processes=tuple(processes),
        properties=CONSENSUS,
        network=Network.FIFO,
        crashes=crashes,
        synchronous=bool(suspect_ms),
    )


def outvoted(wishes: str = "ab", faults: int = 1, crashes: int = 1) -> World:
    """Where half of the nodes may fail, those that do can outvote the others."""
    return consensus(wishes, faults, crashes)


def _roles(
    wishes: Sequence[str], faults: int, suspect_ms: int, within: str = ""
) -> Iterator[tuple[NodeId, tuple[Actor, ...]]]:
    """Each node with its roles; `within`: the instance that they are of."""
    names = [f"n{i}" for i in range(1, len(wishes) + 1)]
    nodes = tuple(instance(name, within) if within else name for name in names)
    inner = partial(command_consensus.roles, faults=faults, suspect_ms=suspect_ms)
    for name, me, wish in zip(names, nodes, wishes, strict=True):
        yield name, roles(me, nodes, wish, inner)


def cost(nodes: int) -> Cost:
    """until all have decided"""
    return Cost(
        messages=nodes * (nodes - 1) * (1 + (nodes - 1) * (nodes - 2)),
        delays=nodes,
        forced_writes=0,
        write_delays=0,
    )


WORLDS = {"main": world, "small": small, "consensus": consensus, "outvoted": outvoted}
QUIET: dict[str, object] = {}
