"""How the plain engine packs a global state into one integer."""

from __future__ import annotations

from quorate.check.network import Full
from quorate.check.verdict import Locals

CRASH_BITS = 8
CRASHES_MAX = (1 << CRASH_BITS) - 1
LOCAL_BITS = 24
LOCAL_MASK = (1 << LOCAL_BITS) - 1
OBSERVER_BITS = 32


class Layout:
    """Crashes in the low bits, then the local states, then observers if any, then the network."""

    def __init__(self, processes: int, observed: bool) -> None:
        self.shifts = [CRASH_BITS + LOCAL_BITS * process for process in range(processes)]
        self.observed = observed
        self.observers_at = CRASH_BITS + LOCAL_BITS * processes
        self.base = self.observers_at + (OBSERVER_BITS if observed else 0)

    def crashes(self, state: int) -> int:
        """How many crashes there were."""
        return state & CRASHES_MAX

    def local(self, state: int, process: int) -> int:
        """The local state of one process."""
        return state >> self.shifts[process] & LOCAL_MASK

    def locals(self, state: int) -> Locals:
        """The local states, by process."""
        return tuple([state >> shift & LOCAL_MASK for shift in self.shifts])

    def observers(self, state: int) -> int:
        """The observers; 0 if there are none."""
        return state >> self.observers_at & (1 << OBSERVER_BITS) - 1 if self.observed else 0

    def pack(self, crashes: int, locals: Locals, observers: int, network: int) -> int:
        """A state. `network`: its bits where they belong. Raises Full."""
        state = crashes | network | observers << self.observers_at
        for shift, local in zip(self.shifts, locals, strict=True):
            state |= local << shift
        if max(locals) > LOCAL_MASK:
            raise Full(f"{max(locals)} local states of one process")
        return state
