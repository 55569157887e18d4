"""Cooperative termination: two-phase commit in which participants ask each other what was decided.

Problem      as in two-phase commit; and no participant waits for what another one knows
Source       Bernstein, Hadzilacos and Goodman, Concurrency Control and Recovery, 1987, section 7.4
Model        asynchronous; crash-recovery; links lose, duplicate and reorder. A coordinator that
             stops still blocks those who are prepared, if nobody whom they reach knows more
Quorum       all participants to commit; one that knows the outcome to end the wait
Roles
  Coordinator  that of two-phase commit
  Participant  as in two-phase commit; when it hears nothing, it asks the others as well
Messages
  Prepare      coordinator → participants — now would be a good time to prepare
  Prepared     participant → coordinator — I can commit and I can abort; you decide
  Commit       coordinator, participant → participants — the transaction is committed
  Abort        coordinator, participant ↔ participants — it is aborted
  Inquire      participant → coordinator, participants — I am prepared; what was decided?
Stable
  Coordinator.outcome   or a restarted coordinator would decide anew what others have done
  Participant.prepared  or a restarted participant would abort what it left to the coordinator
  Participant.outcome   or a restarted participant could not tell the others
Guarantees   agreement, stability, unanimity, nontriviality, termination, informed
Cost         until all participants have ended: 3·participants - 1 - 2·colocated messages, 4 -
             colocated message delays, participants + 1 + colocated forced writes, 3 write delays
Deviations   participants know each other from the start, not from the request to prepare
"""

from __future__ import annotations

import msgspec

from quorate.kernel import Actor, Context, NodeId, Stable, World, placed
from quorate.properties.commit import Decided, Outcome, informed, nonblocking
from quorate.properties.cost import Cost
from quorate.protocols import two_phase_commit
from quorate.protocols.two_phase_commit import (
    NEWS,
    Abort,
    Commit,
    Coordinator,
    Inquire,
    Prepare,
    Prepared,
)

Msg = Prepare | Prepared | Commit | Abort | Inquire


class Participant(two_phase_commit.Participant, kw_only=True):
    """As in two-phase commit; when it hears nothing, it asks the others as well."""

    others: frozenset[NodeId]
    outcome: Stable[Outcome | None] = None

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if self.outcome is not None:
            return ctx.output(Decided(self.outcome))
        two_phase_commit.Participant.on_start(self, ctx, recovered)

    def inquire(self, ctx: Context) -> None:
        ctx.broadcast(self.others, Inquire())
        two_phase_commit.Participant.inquire(self, ctx)

    def on_inquire(self, ctx: Context, src: NodeId, m: Inquire) -> None:
        if self.outcome is None and self.prepared:
            return ctx.ignore("as uncertain as who asks")
        if self.outcome is None:
            self.abort(ctx)  # it has not voted, so nobody can have committed, and now nobody will
        ctx.send(src, NEWS[self.outcome or Outcome.ABORTED])


PROPERTIES = (*two_phase_commit.PROPERTIES, informed)


def world(
    participants: int = 3,
    crashes: int = 0,
    spontaneous: bool = False,
    colocated: bool = False,
) -> World:
    """Coordinator tm, and participants rm1…, of which the first prepares without being asked.

    `spontaneous`: all prepare without being asked; `colocated`: tm is on the node of rm1.
    """
    names = tuple(f"rm{i}" for i in range(1, participants + 1))
    every, asked = frozenset(names), frozenset() if spontaneous else frozenset(names[1:])
    works = (Participant(rm, "tm", rm not in asked, True, others=every - {rm}) for rm in names)
    roles: tuple[Actor, ...] = (Coordinator("tm", every, asked), *works)
    return World(
        processes=placed(roles, two_phase_commit.beside) if colocated else roles,
        properties=PROPERTIES,
        crashes=crashes,
    )


def small(participants: int = 2, crashes: int = 1) -> World:
    """One node crashes, and comes back or does not."""
    return world(participants, crashes)


def blocking(participants: int = 2) -> World:
    """The coordinator may stop for good while everybody is uncertain: asking does not help."""
    return msgspec.structs.replace(
        world(participants, crashes=1),
        properties=(*PROPERTIES, nonblocking),
        crashable=frozenset({"tm"}),
    )


def cost(participants: int, colocated: bool) -> Cost:
    """until all participants have ended"""
    return Cost(
        messages=3 * participants - 1 - 2 * colocated,
        delays=4 - colocated,
        forced_writes=participants + 1 + colocated,  # rm1 writes the outcome before others hear it
        write_delays=3,
        spontaneous_write_delays=2,
    )


WORLDS = {"main": world, "small": small, "blocking": blocking}
QUIET: dict[str, object] = {}
