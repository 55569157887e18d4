"""Registers that several nodes keep together: each operation as if there were one copy.

Source: Herlihy and Wing, Linearizability, TOPLAS 12(3) 1990; Lamport, On Interprocess
Communication, part II, Distributed Computing 1 1986, who calls such a register atomic.
"""

from __future__ import annotations

from quorate.kernel import View, eventually, sometimes
from quorate.properties.linearizable import History, Returned, linearizable
from quorate.properties.objects import Register


def _all_ended(view: View) -> bool:
    operations = [op for history in view.roles(History) for op in history.operations]
    return bool(operations) and all(op.returned is not None for op in operations)


atomic = linearizable(Register(), "atomic")
"""Every operation seems to happen at one moment between its call and its return."""

seen = sometimes("a written value is read", lambda view: any(f.result for _, f in _returned(view)))
"""The check that a world is not empty."""

finished = eventually("every operation ends", _all_ended, states=True)
"""Once faults have ceased, every call returns."""


def _returned(view: View) -> list[tuple[str, Returned]]:
    return view.stated(Returned)
