"""Interactive generals: decide one vector of what all propose, though some may lie.

Problem      IC: all correct nodes decide the same vector, with the value of each correct node
Source       Pease, Shostak and Lamport, Reaching Agreement in the Presence of Faults, JACM 27(2)
             1980, section 3; as a reduction: the lecture, "Equivalence of Consensus Variants"
Model        that of the Byzantine generals: synchronous, with oral messages; of more than 3·faults
             nodes, at most faults are traitors
Roles
  Collector   runs the generals once for each node, as that node's lieutenant, or as commander
  Commander   as with the Byzantine generals
  Lieutenant  as with the Byzantine generals
Messages
  Says        commander, lieutenant → lieutenants — as with the Byzantine generals
Stable       none: who crashes is silent from then on, which traitors may be, too
Guarantees   agreement, completeness, decision, full_termination
Cost         until all have decided: nodes·paths(nodes, faults + 1) messages,
             min(faults + 1, nodes - 1) message delays, 0 forced writes, 0 write delays
Deviations   the entry of a traitor may be any value, and is that of silence if it says nothing
"""

from __future__ import annotations

from quorate.kernel import Map, Network, NodeId, Process, UsageError, World, instance
from quorate.properties.consensus import agreement, completeness, decision, full_termination
from quorate.properties.cost import Cost
from quorate.protocols.byzantine_generals import (  # noqa: F401 - roles are found by name
    ATTACK,
    RETREAT,
    Commander,
    Lieutenant,
    Says,
    council,
    lies,
    paths,
)
from quorate.protocols.interactive_consistency import Collector

Msg = Says
MESSAGES_MAX = 1_500

PROPERTIES = (agreement, completeness, decision, full_termination)
"""That what a vector says of a traitor is what it proposed, nobody can promise."""


def generals(nodes: tuple[NodeId, ...], commander: NodeId) -> tuple[NodeId, ...]:
    """The roles of all nodes in the instance in which one commands; that one comes first."""
    label = str(1 + nodes.index(commander))
    order = (commander, *(node for node in nodes if node != commander))
    return tuple(instance(node, label) for node in order)


def world(nodes: int = 4, faults: int = 1, traitors: str = "n4") -> World:
    """Nodes n1…, of which n1 and every second one attack and the others retreat, and of which
    `traitors` say anything to anyone, in every instance: names, with commas between them."""
    if nodes * paths(nodes, faults + 1) > MESSAGES_MAX:
        raise UsageError(
            f"{nodes} nodes and {faults} faults take {nodes * paths(nodes, faults + 1):,} "
            f"messages: take no more than {MESSAGES_MAX:,}"
        )
    names = tuple(f"n{i}" for i in range(1, nodes + 1))
    wishes = {name: (ATTACK, RETREAT)[index % 2] for index, name in enumerate(names)}
    liars = tuple(filter(None, traitors.split(",")))
    councils = {name: generals(names, name) for name in names}
    roles = {
        role.me: role
        for name, each in councils.items()
        for role in council(each, faults, wishes[name])
    }
    processes = []
    for me in names:
        entries = Map(
            (role, name) for name, each in councils.items() for role in each if of(role, me)
        )
        mine = (roles[role] for role in sorted(entries))
        processes.append(Process(me, (Collector(me, entries, wishes[me]), *mine)))
    return World(
        processes=tuple(processes),
        properties=PROPERTIES,
        network=Network.ROUNDS,
        crashable=frozenset(),
        synchronous=True,
        byzantine={
            role: lies(each, faults, role)
            for liar in liars
            for each in councils.values()
            for role in each
            if of(role, liar)
        },
    )


def small(nodes: int = 3, faults: int = 0, traitors: str = "") -> World:
    """Three nodes in one round, none of whom lies."""
    return world(nodes, faults, traitors)


def of(role: NodeId, node: NodeId) -> bool:
    """Whether a general is one of a node's."""
    return role.partition(".")[0] == node


def cost(nodes: int, faults: int) -> Cost:
    """until all have decided"""
    return Cost(
        messages=nodes * paths(nodes, faults + 1),
        delays=min(faults + 1, nodes - 1),
        forced_writes=0,
        write_delays=0,
    )


WORLDS = {"main": world, "small": small}
QUIET = {"traitors": ""}
