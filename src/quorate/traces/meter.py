"""The cost of a run, measured on its space-time diagram as the papers count it."""

from __future__ import annotations

from collections.abc import Iterator

from quorate.kernel import By, Message, NodeId, Persist, forces, unwrapped
from quorate.properties.cost import Cost
from quorate.traces.clocks import precedes, vector_clocks
from quorate.traces.spacetime import SpaceTime, Step


def measure(diagram: SpaceTime, counted: tuple[type[Message], ...] = ()) -> Cost:
    """What a run cost; `counted` as in Cost.

    Each step carries the longest chains of messages and of forced writes that lead to it, and so
    does each message (Gray and Lamport's message delays and stable-write delays).
    """
    messages = {
        number
        for number, message in enumerate(diagram.messages)
        if not (message.local or message.again)
        and (not counted or isinstance(message.msg, counted))
    }
    writes = _writes(diagram, counted)
    here = [(0, 0)] * diagram.inside
    chains: list[tuple[int, int]] = []
    longest = 0
    for index, step in enumerate(diagram.steps):
        hops, forced = here[step.node]
        if step.received is not None:
            sent = diagram.messages[step.received].sent
            if sent is not None:
                hop = step.received in messages
                hops = max(hops, chains[sent][0] + hop)
                forced = max(forced, chains[sent][1])
                longest = max(longest, hops)
        chain = here[step.node] = hops, forced + (index in writes)
        chains.append(chain)
    # What a role sends to one node in one step travels together.
    envelopes = {_envelope(diagram, number) for number in messages}
    return Cost(
        messages=len(envelopes),
        delays=longest,
        forced_writes=sum(writes.values()),
        write_delays=max((forced for _, forced in chains), default=0),
        counted=counted,
    )


def _envelope(diagram: SpaceTime, number: int) -> tuple[int | None, NodeId, int]:
    message = diagram.messages[number]
    return message.sent, message.src, number if message.sent is None else message.target


def _writes(diagram: SpaceTime, counted: tuple[type[Message], ...]) -> dict[int, int]:
    """The steps whose forced writes count, and of how many roles they are: a message that counts
    waits for them at that node, and they are no part of what came before the first message that
    counts (an election, say)."""
    sends = [
        any(
            not counted or isinstance(diagram.messages[number].msg, counted) for number in step.sent
        )
        for step in diagram.steps
    ]
    if True not in sends:
        return {}
    clocks = vector_clocks(diagram)
    first = sends.index(True)
    waited_for = [False] * diagram.inside
    writes: dict[int, int] = {}
    for index in range(len(sends) - 1, -1, -1):
        step = diagram.steps[index]
        waited_for[step.node] |= sends[index]
        held_up = waited_for[step.node] and forces(step.effects)
        if held_up and not (counted and precedes(diagram, clocks, index, first)):
            writes[index] = len(set(_writers(step)))
    return writes


def _writers(step: Step) -> Iterator[NodeId]:
    for effect in step.effects:
        inner = unwrapped(effect)
        if isinstance(inner, Persist) and inner.forced:
            yield effect.role if isinstance(effect, By) else step.role
