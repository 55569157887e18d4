"""Named timers on an event loop. Arming one again, which is common, costs no system timer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import msgspec

from quorate.kernel import NodeId

Name = tuple[NodeId, str]
CLOCK_S = 0.001  # the resolution of a uvloop clock


class _Armed(msgspec.Struct):
    deadline_s: float
    handle: asyncio.TimerHandle | None = None
    handle_s: float = 0.0


class Timers:
    """`fire(role, timer)` is called when a timer runs out."""

    def __init__(self, fire: Callable[[NodeId, str], None]) -> None:
        self._fire = fire
        self._armed: dict[Name, _Armed] = {}

    def set(self, role: NodeId, timer: str, after_ms: tuple[int, int]) -> None:
        """Arm, or re-arm, for a time drawn from the range."""
        loop = asyncio.get_running_loop()
        low, high = after_ms
        after_s = (low if low == high else random.uniform(low, high)) / 1000
        name, deadline_s = (role, timer), loop.time() + after_s
        armed = self._armed.setdefault(name, _Armed(deadline_s))
        armed.deadline_s = deadline_s
        if armed.handle is not None and armed.handle_s <= deadline_s:
            return  # when it goes off it sees the later deadline
        if armed.handle is not None:
            armed.handle.cancel()
        self._schedule(name, armed)

    def cancel(self, role: NodeId, timer: str) -> None:
        """Disarm; no timer is fine too."""
        armed = self._armed.pop((role, timer), None)
        if armed is not None and armed.handle is not None:
            armed.handle.cancel()

    def clear(self) -> None:
        """Disarm every timer."""
        for role, timer in list(self._armed):
            self.cancel(role, timer)

    def _schedule(self, name: Name, armed: _Armed) -> None:
        loop = asyncio.get_running_loop()
        armed.handle = loop.call_at(armed.deadline_s, self._wake, name, armed)
        armed.handle_s = armed.deadline_s

    def _wake(self, name: Name, armed: _Armed) -> None:
        if asyncio.get_running_loop().time() + CLOCK_S < armed.deadline_s:
            self._schedule(name, armed)
            return
        del self._armed[name]
        self._fire(*name)
