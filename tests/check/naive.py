"""A search that is too simple to be wrong, and too slow to be used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from quorate.kernel import (
    Actor,
    By,
    CancelTimer,
    Event,
    Network,
    Output,
    Receive,
    Send,
    SetTimer,
    Start,
    Timeout,
    World,
    address,
    unwrapped,
)

Flight = tuple[tuple[str, str, Any], ...]
"""Messages in flight: for sets and multisets sorted in some fixed way, for queues by age."""


class Node(NamedTuple):
    actor: Actor
    timers: frozenset[tuple[str, str]] = frozenset()
    facts: tuple[Any, ...] = ()  # in order, without repeats; a crash does not take them back
    rounds: int = 0  # in lock-step only


class Global(NamedTuple):
    nodes: tuple[Node, ...]
    flight: Flight
    crashes: int = 0


class Naive:
    """Every successor of every state, by value."""

    def __init__(self, world: World, network: Network) -> None:
        self.world, self.network, self.hosts = world, network, world.hosts()
        self.queues = network in (Network.FIFO, Network.ROUNDS)

    def search(self) -> tuple[int, int, int]:
        """How many states, transitions and levels there are."""
        levels = self.levels()
        transitions = 1 + sum(1 for state in levels for _ in self.successors(state))
        return len(levels), transitions, max(levels.values())

    def levels(self) -> dict[Global, int]:
        """Every state, with the level on which it is first reached."""
        first = Global(tuple(Node(boot) for boot in self.world.processes), ())
        for index in range(len(first.nodes)):
            first = self.after(first, index, Start())
        levels, todo = {first: 1}, [first]
        for state in todo:
            for successor in self.successors(state):
                if successor not in levels:
                    levels[successor] = levels[state] + 1
                    todo.append(successor)
        return levels

    def successors(self, state: Global) -> Iterator[Global]:
        for position, (src, to, msg) in enumerate(state.flight):
            if (src, to, msg) in state.flight[:position]:
                continue
            queued = [m for m in state.flight[:position] if m[:2] == (src, to)]
            if self.queues and queued:
                continue
            taken = state
            if self.network is not Network.SET:
                rest = state.flight[:position] + state.flight[position + 1 :]
                taken = state._replace(flight=rest)
            index = self.hosts[to]
            event = address(state.nodes[index].actor, to, Receive(src, msg))
            if self.queues or self.matters(state, index, event):
                yield self.after(taken, index, event)
        for index, node in enumerate(state.nodes):
            for role, timer in node.timers:
                event = address(node.actor, role, Timeout(timer))
                if self.matters(state, index, event) and self.is_time(state, node):
                    yield self.after(state, index, event)
            if state.crashes < self.world.crashes and self.world.may_crash(node.actor):
                crashed = self.crash(state, index)
                if (crashed.nodes, crashed.flight) != (state.nodes, state.flight):
                    yield crashed

    def is_time(self, state: Global, node: Node) -> bool:
        waiting = [other for other in state.nodes if other.timers]
        behind = min(waiting, key=lambda other: other.rounds).rounds < node.rounds
        return self.network is not Network.ROUNDS or not (state.flight or behind)

    def matters(self, state: Global, index: int, event: Event) -> bool:
        sends = any(type(unwrapped(e)) is Send for e in state.nodes[index].actor.step(event)[1])
        return sends or self.after(state, index, event).nodes != state.nodes

    def crash(self, state: Global, index: int) -> Global:
        old = state.nodes[index]
        node = Node(old.actor.restart(self.world.processes[index]), facts=old.facts)
        down = state._replace(nodes=self.put(state, index, node), crashes=state.crashes + 1)
        return self.after(down, index, Start(recovered=True))

    def after(self, state: Global, index: int, event: Event) -> Global:
        node = state.nodes[index]
        actor, effects = node.actor.step(event)
        inner = getattr(event, "event", event)
        timers, flight, facts = set(node.timers), list(state.flight), node.facts
        rounds = node.rounds
        if type(inner) is Timeout:
            rounds += self.network is Network.ROUNDS
            timers.remove((getattr(event, "role", actor.me), inner.timer))
        for effect in effects:
            me = effect.role if isinstance(effect, By) else actor.me
            match unwrapped(effect):
                case SetTimer(timer):
                    timers.add((me, timer))
                case CancelTimer(timer):
                    timers.discard((me, timer))
                case Send(to, msg) if to in self.hosts:
                    flight.append((me, to, msg))
                case Output(fact) if (me, fact) not in facts:
                    facts += ((me, fact),)
        nodes = self.put(state, index, Node(actor, frozenset(timers), facts, rounds))
        return state._replace(nodes=nodes, flight=self.canonical(flight))

    def canonical(self, flight: list[Any]) -> Flight:
        if self.queues:
            return tuple(sorted(flight, key=lambda m: m[:2]))  # by link; within one, by age
        kept = set(flight) if self.network is Network.SET else flight
        return tuple(sorted(kept, key=repr))

    def put(self, state: Global, index: int, node: Node) -> tuple[Node, ...]:
        return (*state.nodes[:index], node, *state.nodes[index + 1 :])
