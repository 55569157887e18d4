"""What becomes of a run once faults cease: it goes on under a fair schedule."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import msgspec

from quorate.adversary import embodied
from quorate.kernel import Choose, NodeId, Property, Record, SetTimer, Start, Timeout, World, core
from quorate.sim.engine import DELIVER, Simulation
from quorate.sim.faults import Faults
from quorate.sim.script import Performed, Ref
from quorate.traces.words import role_of


class Lost(NamedTuple):
    """What does not come back: messages by their origin, and nodes that are down for good."""

    messages: frozenset[Ref] = frozenset()
    nodes: frozenset[NodeId] = frozenset()


FAULTS = Faults()
SLICE_US = 1_000_000
STEPS_MAX = 100_000


def comes_to_hold(world: World, performed: Performed, lost: Lost, prop: Property) -> bool:
    """Whether an Eventually property comes to hold after what was performed, faults having ceased.

    Nodes that are down or have not begun do so, timers go on, and messages that have not arrived
    do, except what is `lost`.
    """
    simulation = _go_on(world, performed, lost, tracing=False)
    until_us = 0
    while not prop.holds(simulation.judge.view()):
        if until_us >= FAULTS.heal_ms * 1000 or simulation.steps >= STEPS_MAX:
            return False
        if simulation.at_rest():
            return False
        until_us += SLICE_US
        simulation.run(until_us, STEPS_MAX)
    return True


def ending(world: World, performed: Performed, lost: Lost) -> tuple[Record, ...]:
    """What happened then: up to the first state that may come again and again, if there is one."""
    simulation = _go_on(world, performed, lost, tracing=True)
    seen: dict[Hashable, int] = {}
    while simulation.now_us < FAULTS.heal_ms * 1000 and not simulation.at_rest():
        records = simulation.tape.records
        if not any(entry[2] == DELIVER for entry in simulation.heap):
            since = seen.setdefault(_situation(simulation), len(records))
            if _is_fair(simulation, records[since:]):
                break
        before = simulation.steps
        simulation.run(FAULTS.heal_ms * 1000, before + 1)
        if simulation.steps == before:
            break
    # What they name as their cause counts from here, and not from the beginning of the trace.
    return tuple(msgspec.structs.replace(record, cause=None) for record in simulation.tape.records)


def _go_on(world: World, performed: Performed, lost: Lost, tracing: bool) -> Simulation:
    stage = performed.stage
    simulation = Simulation(embodied(world), 0, FAULTS, tracing=tracing)
    for role, fact in stage.stated:
        simulation.judge.fact(role, fact)
    for node in simulation.nodes:
        player = stage.players[node.me]
        node.actor, node.up, node.awake = player.actor, player.up, player.up
        for (role, timer), after_ms in player.armed.items():
            simulation.do(node, role, SetTimer(timer, after_ms))
        for (role, key), options in player.offered.items():
            simulation.do(node, role, Choose(key, options))
    by_name = {node.me: node for node in simulation.nodes}
    missing = {performed.refs[ref] for ref in lost.messages if ref in performed.refs}
    for envelope in stage.waiting:
        if envelope not in missing:
            player, event = stage.arrival(envelope)
            simulation.deliver(by_name[player.boot.me], event, FAULTS.delay_us[1])
    for node in simulation.nodes:
        if not stage.players[node.me].started:
            node.up = node.awake = True
            simulation.take(node, Start())
        elif node.up:
            simulation.resume(node)
        elif node.me not in lost.nodes:
            simulation.restart(node)
    return simulation


def _situation(simulation: Simulation) -> Hashable:
    """What nodes and their timers are like, whatever the time is."""
    return tuple((node.actor, node.up, frozenset(node.timers)) for node in simulation.nodes)


def _is_fair(simulation: Simulation, records: list[Record]) -> bool:
    """Whether every timer that is armed now has run out meanwhile: none was put off for ever."""
    rung: set[tuple[NodeId, NodeId, str]] = set()
    for record in records:
        inner: Any = core(record.event)
        if isinstance(inner, Timeout):
            rung.add((record.node, role_of(record.event, record.node), inner.timer))
    armed = {(node.me, *timer) for node in simulation.nodes for timer in node.timers}
    return bool(records) and armed <= rung
