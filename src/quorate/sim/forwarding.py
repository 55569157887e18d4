"""Store and forward: messages travel a graph from link to link, in buffers that may fill up.

A link carries one message after the other. Where buffers are bounded, a message that has arrived
stays at the head of its link until the next link has room, and a node whose link is full stands
still in the middle of its send. So links and nodes wait for each other; each waits for one other,
and when a wait closes a circle, nothing on it will ever move again.
Source: Merlin and Schweitzer, Deadlock Avoidance in Store-and-Forward Networks, IEEE Transactions
on Communications 28(3) 1980; the lecture, "Bounded links, blocking send: may deadlock".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from quorate.kernel import Event
from quorate.sim.faults import Faults, WhenFull
from quorate.sim.network import Links
from quorate.sim.topology import neighbours, routes

if TYPE_CHECKING:
    from quorate.sim.engine import Simulation
    from quorate.sim.node import Node

Parcel = tuple[int, Event]
"""The number of the node that a message is for, and its arrival there."""


class Link:
    """From one node to a neighbour: what waits to be carried, and is carried, first come first."""

    __slots__ = ("arrived", "end", "queue", "start")

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.queue: deque[Parcel] = deque()
        self.arrived = False  # the first in the queue has reached the other end


class Graph(Links):
    """Links between neighbours only. A node that is down forwards nothing."""

    def __init__(self, simulation: Simulation, draw: Callable[[], float]) -> None:
        names = [node.me for node in simulation.nodes]
        graph = neighbours(simulation.faults.topology, names)
        self._names = names
        self._next = routes(graph)
        self._links = {(a, b): Link(a, b) for a, near in enumerate(graph) for b in near}
        self._outbox: list[deque[Parcel]] = [deque() for _ in names]
        self._waits: dict[Link | int, Link | int] = {}
        super().__init__(simulation, draw)

    def set(self, faults: Faults) -> None:
        super().set(faults)
        self.open = False
        self._room, self._drops = faults.link_buffer, faults.link_full is WhenFull.DROP
        if not self._room:
            for waiter in self._waits:
                self._simulation.after(0, partial(self._retry, waiter))

    def send(self, source: Node, target: Node, event: Event) -> None:
        at, parcel = source.index, (target.index, event)
        if self._outbox[at]:
            self._outbox[at].append(parcel)
        elif not self._pass_on(at, parcel):
            self._outbox[at].append(parcel)
            source.blocked, source.awake = True, False
            self._wait(at, self._way(at, parcel))

    def crashed(self, node: Node) -> None:
        self._waits.pop(node.index, None)
        self._outbox[node.index].clear()
        self._freed(node.index)

    def _way(self, at: int, parcel: Parcel) -> Link:
        return self._links[at, self._next[parcel[0]][at]]

    def _pass_on(self, at: int, parcel: Parcel) -> bool:
        """Put a message into the next link of its way. False if there is no room for it."""
        link = self._way(at, parcel)
        if not self._room:
            self._hop(link, parcel)
        elif len(link.queue) < self._room:
            link.queue.append(parcel)
            if len(link.queue) == 1:
                self._carry(link)
        elif self._drops:
            self._simulation.lost += 1
        else:
            return False
        return True

    def _hop(self, link: Link, parcel: Parcel) -> None:
        """Carry a message at once: a link without bounds."""
        for delay_us in self._fate(link.start, link.end):
            self._simulation.after(delay_us, partial(self._reach, link.end, parcel))

    def _carry(self, link: Link) -> None:
        """Send the first message of a queue on its way to the other end."""
        fate = self._fate(link.start, link.end)
        if fate:
            self._simulation.after(fate[0], partial(self._arrive, link))
        else:
            self._done(link)

    def _arrive(self, link: Link) -> None:
        link.arrived = True
        self._leave(link)

    def _leave(self, link: Link) -> None:
        """The first message of a link has arrived: let it go on, if that is possible."""
        if self._reach(link.end, link.queue[0]):
            self._waits.pop(link, None)
            link.arrived = False
            self._done(link)
        elif link.queue[0][0] == link.end:
            self._wait(link, link.end)
        else:
            self._wait(link, self._way(link.end, link.queue[0]))

    def _reach(self, at: int, parcel: Parcel) -> bool:
        """A message is at a node: its own, or one on its way. False if it must wait there."""
        node = self._simulation.nodes[at]
        if parcel[0] == at:
            if not node.blocked:
                self._simulation.deliver(node, parcel[1], node.lag_us)
            return not node.blocked
        if not node.up:
            self._simulation.lost += 1
            return True
        return self._pass_on(at, parcel)

    def _done(self, link: Link) -> None:
        link.queue.popleft()
        if link.queue:
            self._carry(link)
        self._freed(link)

    def _freed(self, what: Link | int) -> None:
        """Whoever waited for this link or node may try again, one after the other."""
        for waiter in [each for each, on in self._waits.items() if on == what]:
            self._simulation.after(0, partial(self._retry, waiter))

    def _retry(self, waiter: Link | int) -> None:
        if isinstance(waiter, int):
            self._resume(waiter)
        elif waiter in self._waits:
            self._leave(waiter)

    def _resume(self, at: int) -> None:
        """A node that stood still in its sends goes on, as far as its links have room."""
        outbox, node = self._outbox[at], self._simulation.nodes[at]
        while outbox:
            if not self._pass_on(at, outbox[0]):
                return self._wait(at, self._way(at, outbox[0]))
            outbox.popleft()
        self._waits.pop(at, None)
        if node.blocked:
            node.blocked = False
            self._simulation.resume(node)
            self._freed(at)

    def _wait(self, waiter: Link | int, on: Link | int) -> None:
        self._waits[waiter] = on
        circle = [waiter]
        while on in self._waits and on not in circle and self._is_taken(on):
            circle.append(on)
            on = self._waits[on]
        if on == waiter and self._is_taken(on):
            self._simulation.judge.stuck(" waits for ".join(map(self._called, [*circle, waiter])))

    def _is_taken(self, what: Link | int) -> bool:
        """Whether one has to wait for this; whoever still waits without need is about to go on."""
        if isinstance(what, Link):
            return len(what.queue) >= self._room
        return self._simulation.nodes[what].blocked

    def _called(self, what: Link | int) -> str:
        if isinstance(what, Link):
            return f"link {self._names[what.start]}→{self._names[what.end]}"
        return f"node {self._names[what]}"
