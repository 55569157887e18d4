"""The master lease without one of its guards."""

from __future__ import annotations

from quorate.kernel import Context, NodeId, Property, World
from quorate.mutants import Mutant, swapped
from quorate.properties.lease import exclusion
from quorate.properties.linearizable import linearizable_register
from quorate.protocols import master_lease
from quorate.protocols.master_lease import Replica
from quorate.protocols.multi_paxos import Standing


class HelpsOthers(Replica):
    def grants(self, ctx: Context, candidate: NodeId) -> bool:
        return True


class HoldsOn(Replica):
    def is_master(self, ctx: Context) -> bool:
        return self.standing is Standing.LEADER and self.until_ms > 0


class NeedsNoLease(Replica):
    def is_master(self, ctx: Context) -> bool:
        return self.standing is Standing.LEADER


def _mutant(
    name: str, breaks: str, kills: Property, new: type[Replica], term_ms: int, writers: int = 0
) -> Mutant:
    def world(
        nodes: int = 3,
        clients: int = 2,
        writers: int = writers,
        calls: int = 60,
        term_ms: int = term_ms,
    ) -> World:
        return swapped(master_lease.world(nodes, clients, writers, calls, term_ms), new)

    return Mutant(
        name=name,
        protocol="master_lease",
        breaks=breaks,
        kills=kills.name,
        world=world,
        found_by="seeds",
    )


MUTANTS = (
    _mutant(
        "helps_others",
        "a replica helps another to lead within the term",
        exclusion,
        HelpsOthers,
        term_ms=1_500,
    ),
    _mutant("holds_on", "a master never looks at its clock", exclusion, HoldsOn, term_ms=300),
    _mutant(
        "needs_no_lease",
        "a leader answers reads without a lease",
        linearizable_register,
        NeedsNoLease,
        term_ms=300,
        writers=1,
    ),
)
