"""Signed generals: obey one order, however many may lie.

Problem      loyal lieutenants obey the same order, and that of the commander if he is loyal
Source       Lamport, Shostak and Pease, The Byzantine Generals Problem, TOPLAS 4(3) 1982, section
             4; when to accept: Dolev and Strong, Authenticated Algorithms for Byzantine
             Agreement, SIAM Journal on Computing 12(4) 1983
Model        synchronous: messages are not lost and take a bounded time, so that silence is noticed;
             signatures of loyal generals cannot be forged, and anyone can check them; of any number
             of generals, at most faults are traitors
Quorum       none: one message with enough signatures will do
Roles
  Commander   signs an order
  Lieutenant  signs what reaches it with signatures enough, and obeys if there is one order only
Messages
  Endorsed    commander, lieutenant → lieutenants — these have signed the order, one after another
Stable       none: who crashes is silent from then on, which traitors may be, too
Guarantees   agreement, obedience, decision, full_termination
Cost         until all obey: (generals - 1)² messages, 2 message delays, 0 forced writes,
             0 write delays
Deviations   each signature is for one battle, so that none is of use in another; no more than two
             orders are passed on, since two prove that the commander is a traitor
"""

from __future__ import annotations

from itertools import permutations

from quorate.kernel import Context, Message, Network, NodeId, Signed, World
from quorate.properties.consensus import Commanded, Decided
from quorate.properties.cost import Cost
from quorate.protocols import byzantine_generals
from quorate.protocols.byzantine_generals import ATTACK, RETREAT, Path, names

ORDERS_MAX = 2


class Endorsement(Message, frozen=True):
    """What is signed: this order, after these have signed it, for this battle."""

    battle: int
    order: str
    after: tuple[NodeId, ...]


Chain = tuple[Signed[Endorsement], ...]


class Endorsed(Message, frozen=True):
    order: str
    chain: Chain


Msg = Endorsed


class Commander(byzantine_generals.Commander):
    """Signs an order."""

    battle: int = 1

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.output(Commanded(self.order))
        ctx.output(Decided(self.order))
        first = ctx.sign(Endorsement(self.battle, self.order, ()))
        ctx.broadcast(self.lieutenants, Endorsed(self.order, (first,)))


class Lieutenant(byzantine_generals.Subordinate):
    """Signs what reaches it with signatures enough, and obeys if there is one order only."""

    battle: int = 1
    orders: frozenset[str] = frozenset()

    def on_endorsed(self, ctx: Context, src: NodeId, m: Endorsed) -> None:
        signers = tuple(proof.signer for proof in m.chain)
        if not (self.is_path(signers, src) and self.is_signed(m.order, m.chain)):
            return ctx.ignore("no chain of signatures from the commander to its sender")
        if len(signers) < self.round:
            return ctx.ignore("too few signatures for its round")
        if m.order in self.orders or len(self.orders) == ORDERS_MAX:
            return ctx.ignore("nothing new")
        self.orders |= {m.order}
        if len(signers) <= self.faults:
            own = ctx.sign(Endorsement(self.battle, m.order, signers))
            ctx.broadcast(self.beyond(signers), Endorsed(m.order, (*m.chain, own)))

    def is_signed(self, order: str, chain: Chain) -> bool:
        """Whether each signature is for this order, after those before it, in this battle."""
        signers = tuple(proof.signer for proof in chain)
        return all(
            proof.content == Endorsement(self.battle, order, signers[:number])
            for number, proof in enumerate(chain)
        )

    def verdict(self) -> str:
        return next(iter(self.orders)) if len(self.orders) == 1 else RETREAT


PROPERTIES = byzantine_generals.PROPERTIES


def lies(
    generals: int, faults: int, traitors: tuple[NodeId, ...], traitor: NodeId
) -> tuple[tuple[NodeId, Endorsed], ...]:
    """All that a traitor may say: either order, with the signatures of traitors, its own the last.

    Signatures of loyal lieutenants would add nothing, since each tells all others what it signs.
    """
    commander, *lieutenants = names(generals, faults)
    paths = [
        path
        for length in range(1, faults + 2)
        for path in permutations(traitors, length)
        if path[0] == commander and path[-1] == traitor
    ]
    return tuple(
        (to, signed_by(path, order))
        for path in paths
        for to in lieutenants
        if to not in traitors
        for order in (ATTACK, RETREAT)
    )


def signed_by(path: Path, order: str, battle: int = 1) -> Endorsed:
    """An order with the signatures of traitors, who share their keys."""
    chain = (
        Signed(signer, Endorsement(battle, order, path[:number]))
        for number, signer in enumerate(path)
    )
    return Endorsed(order, tuple(chain))


def world(generals: int = 4, faults: int = 1, order: str = ATTACK, traitors: str = "p1") -> World:
    """Commander p1 and lieutenants p2…, of whom `traitors` say anything that they can sign: names,
    with commas between them. `faults`: how many the protocol is to withstand."""
    commander, *rest = names(generals, faults)
    lieutenants = frozenset(rest)
    liars = tuple(filter(None, traitors.split(",")))
    return World(
        processes=(
            Commander(commander, lieutenants, order),
            *(Lieutenant(name, commander, lieutenants, faults) for name in rest),
        ),
        properties=PROPERTIES,
        network=Network.ROUNDS,
        crashable=frozenset(),
        synchronous=True,
        byzantine={liar: lies(generals, faults, liars, liar) for liar in liars},
        symmetry=(tuple((name,) for name in rest if name not in liars),),
    )


def small(generals: int = 3, faults: int = 1, order: str = ATTACK, traitors: str = "p1") -> World:
    """Three generals, too few without signatures."""
    return world(generals, faults, order, traitors)


def three(order: str = ATTACK, faults: int = 1) -> World:
    """Three generals, and nobody says yet who is the traitor: for `quorate impossible`."""
    return world(3, faults, order, "")


def cost(generals: int) -> Cost:
    """until all obey"""
    return Cost(
        messages=(generals - 1) ** 2,
        delays=2,
        forced_writes=0,
        write_delays=0,
    )


WORLDS = {"main": world, "small": small, "three": three}
QUIET = {"traitors": ""}
