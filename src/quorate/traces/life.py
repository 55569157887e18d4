"""A node of a trace, lived again: steps are taken anew, and crashes take away what they took."""

from __future__ import annotations

from collections import Counter
from typing import Any

from quorate.kernel import (
    Actor,
    Crash,
    Effect,
    Event,
    NodeId,
    Record,
    UsageError,
    forces,
    unforced_after,
)


class Life:
    """One node, from its boot image on. `boot` may hold durable state that was recovered."""

    def __init__(self, boot: Actor) -> None:
        self.boot = self.actor = boot
        self._unforced: tuple[Any, ...] = ()
        self._forced: list[tuple[Actor, tuple[Any, ...]]] = []  # as it was before each forcing step

    def step(self, event: Event) -> tuple[Effect, ...]:
        """Take `event`."""
        before = self.actor
        self.actor, effects = before.step(event)
        if forces(effects):
            self._forced.append((before, self._unforced))
        self._unforced = unforced_after(self._unforced, before, effects)
        return effects

    def losable(self, undone: int, during: Event | None = None) -> int:
        """How many unforced writes a crash could lose besides the last `undone` forced ones; within
        a step, those of the step count, too."""
        if undone:
            return len(self._forced[-undone][1])
        if during is None:
            return len(self._unforced)
        _, effects = self.actor.step(during)
        return len(unforced_after(self._unforced, self.actor, effects))

    def crash(self, event: Crash) -> None:
        """Lose what `event` says. Raises UsageError if there was not so much to lose."""
        if event.undone > len(self._forced):
            raise UsageError("it had not forced so many writes")
        actor, unforced = self.actor, self._unforced
        if event.undone:
            actor, unforced = self._forced[-event.undone]
        images = (*unforced, actor.lazy())
        if event.forgets >= len(images):
            raise UsageError("it had not written so much unforced")
        self.actor = actor.restart(self.boot, images[-1 - event.forgets])
        self._unforced, self._forced = (), []


def unheard(records: tuple[Record, ...]) -> set[int]:
    """Indices of the steps that a crash kept everyone from hearing of."""
    silent: set[int] = set()
    pending: Counter[NodeId] = Counter()
    for index in range(len(records) - 1, -1, -1):
        node, event = records[index].node, records[index].event
        if isinstance(event, Crash):
            pending[node] = event.unheard
        elif pending[node]:
            pending[node] -= 1
            silent.add(index)
    return silent
