"""Interactive generals: decide one vector of what all propose, though some may lie.

Problem      IC: all correct nodes decide the same vector, with the value of each correct node
Source       Pease, Shostak and Lamport, Reaching Agreement in the Presence of Faults, JACM 27(2)
             1980, section 3; as a reduction: the lecture, "Equivalence of Consensus Variants"
Model        that of the Byzantine generals: synchronous, with oral messages; of more than 3·faults
             nodes, at most faults are traitors
Quorum       none: as with the Byzantine generals
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

from functools import partial

from quorate.kernel import Network, NodeId, Process, UsageError, World, instance
from quorate.properties.consensus import agreement, completeness, decision, full_termination
from quorate.properties.cost import Cost
from quorate.protocols import byzantine_generals
from quorate.protocols.byzantine_generals import (  # noqa: F401 - roles are found by name
    ATTACK,
    RETREAT,
    Commander,
    Lieutenant,
    Says,
    lies,
    paths,
)
from quorate.protocols.interactive_consistency import Collector, roles  # noqa: F401 - as above

Msg = Says
MESSAGES_MAX = 1_500

PROPERTIES = (agreement, completeness, decision, full_termination)
"""That what a vector says of a traitor is what it proposed, nobody can promise."""


def world(nodes: int = 4, faults: int = 1, traitors: str = "n4") -> World:
    """Nodes n1…, of which n1 and every second one attack and the others retreat, and of which
    `traitors` say anything to anyone, in every instance: names, with commas between them."""
    if nodes < 2 or faults < 0:
        raise UsageError(f"{nodes} nodes and {faults} faults: take 2 or more, and 0 or more")
    if nodes * paths(nodes, faults + 1) > MESSAGES_MAX:
        raise UsageError(
            f"{nodes} nodes and {faults} faults take {nodes * paths(nodes, faults + 1):,} "
            f"messages: take no more than {MESSAGES_MAX:,}"
        )
    names = tuple(f"n{i}" for i in range(1, nodes + 1))
    wishes = [(ATTACK, RETREAT)[index % 2] for index in range(nodes)]
    inner = partial(byzantine_generals.roles, faults=faults)
    processes = (
        Process(me, roles(me, names, wish, inner)) for me, wish in zip(names, wishes, strict=True)
    )
    return World(
        processes=tuple(processes),
        properties=PROPERTIES,
        network=Network.ROUNDS,
        crashable=frozenset(),
        synchronous=True,
        byzantine={
            instance(liar, str(number)): lies(
                tuple(instance(name, str(number)) for name in (me, *others(names, me))),
                faults,
                instance(liar, str(number)),
            )
            for liar in filter(None, traitors.split(","))
            for number, me in enumerate(names, 1)
        },
    )


def small(nodes: int = 3, faults: int = 0, traitors: str = "") -> World:
    """Three nodes in one round, none of whom lies."""
    return world(nodes, faults, traitors)


def others(names: tuple[NodeId, ...], me: NodeId) -> tuple[NodeId, ...]:
    """All but one."""
    return tuple(name for name in names if name != me)


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
