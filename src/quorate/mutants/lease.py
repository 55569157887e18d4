"""Leases without one of their guards."""

from __future__ import annotations

from collections.abc import Callable

from quorate.kernel import Actor, Ballot, Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.properties.lease import Written, exclusion, fencing, progress
from quorate.protocols import lease
from quorate.protocols.lease import RETRY_MS, Acceptor, Client, Grant, Resource, Write


class ResourceWithoutFencing(Resource):
    def on_write(self, ctx: Context, src: NodeId, m: Write) -> None:
        ctx.output(Written(m.token))


class ResourceForgetsToken(Resource):
    latest: Ballot = Ballot()


class ClientCountsFromGrant(Client):
    def on_grant(self, ctx: Context, src: NodeId, m: Grant) -> None:
        before = self.until_ms
        Client.on_grant(self, ctx, src, m)
        if self.until_ms != before:
            self.until_ms = ctx.at_ms + self.lease_ms


class ClientHoldsOn(Client):
    def holds(self, ctx: Context) -> bool:
        return True


class ClientNeedsNoMajority(Client):
    def on_grant(self, ctx: Context, src: NodeId, m: Grant) -> None:
        for node in self.quorum.nodes:
            Client.on_grant(self, ctx, node, m)


class ClientKeepsGrants(Client):
    def give_up(self, ctx: Context) -> None:
        self.asked_ms = -1
        ctx.cancel_timer("give up")
        ctx.set_timer("seek", RETRY_MS)


class ClientTakesLateGrants(Client):
    def give_up(self, ctx: Context) -> None:
        asked_ms = self.asked_ms
        Client.give_up(self, ctx)
        self.asked_ms = asked_ms


class AcceptorDoesNotWait(Acceptor):
    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.until_ms = ctx.at_ms


class AcceptorForgetsToken(Acceptor):
    promised: Ballot = Ballot()


def _swap(new: type[Actor], **fixed: int) -> Callable[..., World]:
    """The main world with the roles replaced that `new` is a mutant of."""

    def world(clients: int = 3, acceptors: int = 3) -> World:
        return swapped(lease.world(clients, acceptors, **fixed), new)  # type: ignore[arg-type]

    return world


def _mutant(name: str, breaks: str, kills: str, new: type[Actor], **fixed: int) -> Mutant:
    return Mutant(
        name=name,
        protocol="lease",
        breaks=breaks,
        kills=kills,
        world=_swap(new, **fixed),
        found_by="seeds",
    )


MUTANTS = (
    _mutant(
        "without_fencing",
        "the resource carries out every write, whatever its token",
        fencing.name,
        ResourceWithoutFencing,
    ),
    _mutant(
        "forgets_token",
        "the latest token that the resource has seen does not survive a crash",
        fencing.name,
        ResourceForgetsToken,
    ),
    _mutant(
        "counts_from_grant",
        "a client counts its term from when it was granted, and not from when it asked",
        exclusion.name,
        ClientCountsFromGrant,
    ),
    _mutant("holds_on", "a client never looks at its clock", exclusion.name, ClientHoldsOn),
    _mutant("needs_no_majority", "one acceptor is enough", exclusion.name, ClientNeedsNoMajority),
    _mutant(
        "keeps_grants",
        "a client that did not get a majority keeps what it got for a term",
        progress.name,
        ClientKeepsGrants,
        term_ms=1_000,
    ),
    _mutant(
        "takes_late_grants",
        "a client takes a grant that it has released",
        exclusion.name,
        ClientTakesLateGrants,
    ),
    _mutant(
        "does_not_wait",
        "an acceptor that comes back grants at once what it may have granted before",
        exclusion.name,
        AcceptorDoesNotWait,
    ),
    _mutant(
        "forgets_last_token",
        "the latest token that an acceptor has granted does not survive a crash",
        exclusion.name,
        AcceptorForgetsToken,
    ),
)
