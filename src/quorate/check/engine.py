"""What an engine is: one way to search a model. Engines differ in speed only.

Counting is that of TLC: `distinct` counts states, `transitions` the initial states and every
successor generated (also those seen before, but no no-ops), `depth` the levels of a breadth-first
search, the initial states being the first.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from quorate.kernel import Happening

Way = list[tuple[int, tuple[Happening, ...]]]
"""What happened, and to which process by index, in order."""

Progress = Callable[[int, int, int, int], None]
"""Told now and then of distinct states, transitions, depth, and how many states that level has."""

_STATM = Path("/proc/self/statm")


class Limits(msgspec.Struct, frozen=True):
    """Where a search ends although it is not done; 0 is no limit."""

    states_max: int
    depth_max: int = 0
    memory_max_bytes: int = 0

    @property
    def states_cut(self) -> str:
        """What a search says that ended for having found too many states."""
        return f"{self.states_max} states"

    @property
    def memory_cut(self) -> str:
        """What a search says that ended for want of memory."""
        return f"{self.memory_max_bytes} bytes of memory"

    def memory_is_full(self) -> bool:
        """Whether this Python process has outgrown its limit."""
        return bool(self.memory_max_bytes) and resident_bytes() >= self.memory_max_bytes


class Found(msgspec.Struct, frozen=True):
    """How large the space was; `cut` names what ended the search early, if anything did."""

    distinct: int
    transitions: int
    depth: int
    cut: str | None


class Engine(Protocol):
    """A search of one model. What it finds is kept by the judge, under names for states that only
    the engine needs to understand."""

    def run(self, limits: Limits, progress: Progress | None) -> Found:
        """Search level by level until there is nothing new, a violation, or a limit.

        `go_on`: a violation does not end the search.
        """
        ...

    def way(self, state: Any) -> Way:
        """A shortest way to a state, from the start of every process."""
        ...


def resident_bytes() -> int:
    """The memory that this Python process occupies; where that is not told, its peak so far."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
