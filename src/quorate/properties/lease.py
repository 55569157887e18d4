"""Leases: what it means to hold one, and what a resource may rely on.

Sources: Gray and Cheriton, Leases, SOSP 1989; Burrows, The Chubby Lock Service, OSDI 2006, section
2.4, whose sequencers are the tokens here.
"""

from __future__ import annotations

import msgspec

from quorate.kernel import (
    Ballot,
    Fact,
    NodeId,
    Observer,
    Request,
    View,
    always,
    eventually,
    sometimes,
)

PPM = 1_000_000


def lease_ms(term_ms: int, drift_ppm: int) -> int:
    """How long a holder may count on a term: as if its clock were as slow, and an acceptor's as
    fast, as clocks may be; and 1 ms less, which is what a reading may leave out."""
    return (term_ms - 1) * (PPM - drift_ppm) // (PPM + drift_ppm)


class Wanted(Request, frozen=True):
    """This client wants to hold the lease, sooner or later."""


class Acquired(Fact, frozen=True):
    """This client holds the lease under `token`."""

    token: Ballot


class Used(Fact, frozen=True):
    """This client, taking itself for the holder, does what only the holder may do."""

    token: Ballot


class Written(Fact, frozen=True):
    """This resource carried out what a client asked for under `token`."""

    token: Ballot


class Ledger(Observer, frozen=True):
    """The latest token used and written, and whether an earlier one came after a later one."""

    used: Ballot = Ballot()
    written: Ballot = Ballot()
    overlap: bool = False
    stale: bool = False

    def see(self, node: NodeId, fact: Fact) -> Ledger:
        """A holder that acts after its successor has acted shared the lease with it."""
        if isinstance(fact, Used):
            overlap = self.overlap or fact.token < self.used
            return msgspec.structs.replace(self, used=max(self.used, fact.token), overlap=overlap)
        if isinstance(fact, Written):
            stale = self.stale or fact.token < self.written
            return msgspec.structs.replace(self, written=max(self.written, fact.token), stale=stale)
        return self


def _served(view: View) -> bool:
    wanted = {node for node, _ in view.stated(Wanted)}
    return wanted <= {node for node, _ in view.stated(Acquired)}


exclusion = always(
    "no two holders",
    lambda view: not any(ledger.overlap for ledger in view.roles(Ledger)),
    states=True,
)
"""No client acts as the holder once a later holder has done so: at no time do two hold it."""

fencing = always(
    "no stale write",
    lambda view: not any(ledger.stale for ledger in view.roles(Ledger)),
    states=True,
)
"""The resource carries out nothing for a former holder once it has done so for a later one."""

held = sometimes("the lease is held", lambda view: any(view.stated(Used)))
"""Some run has a holder that acts."""

progress = eventually("every client gets its turn", _served)
"""Once faults have ceased, every client that wants the lease has held it."""
