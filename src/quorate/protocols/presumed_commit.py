"""Presumed commit: two-phase commit whose coordinator takes what it has no record of for committed.

Problem      as in presumed abort; and a commit, which is what mostly happens, is acknowledged by
             nobody and written by no participant
Source       Mohan, Lindsay and Obermarck, Transaction Management in R*, TODS 11(4) 1986, section 4
Model        asynchronous; crash-recovery; links lose, duplicate and reorder; a coordinator that
             stops between Prepared and Commit blocks every prepared participant
Quorum       all participants
Roles
  Coordinator  records who may become prepared before it asks; forgets a commit at once, an abort
               once all have it on record
  Participant  as in presumed abort, but what it records and acknowledges is an abort
Messages
  Prepare      coordinator → participants — now would be a good time to prepare
  Prepared     participant → coordinator — I can commit and I can abort; you decide
  Read         participant → coordinator — I have changed nothing; it is all the same to me
  Commit       coordinator → participants — the transaction is committed
  Abort        coordinator ↔ participants — it is aborted
  Ack          participant → coordinator — I have the abort on record, and shall not ask
  Inquire      participant → coordinator — I am prepared; what was decided?
Stable
  Coordinator.owing     or a restarted coordinator would presume that what it left open committed
  Coordinator.ended     unforced: if it is lost, all are told once more
  Participant.prepared  or a restarted participant would abort what it left to the coordinator
  Participant.ended     or it would ask a coordinator that has forgotten, since it said so, an abort
Guarantees   agreement, stability, unanimity, nontriviality, termination, forgetting
Cost         until all participants have ended: 3·participants - readers messages, 3 message delays,
             participants - readers + 2 forced writes, 3 write delays
Deviations   the record of the participants is written as the transaction begins; a commit is not
             written by participants even unforced
"""

from __future__ import annotations

from typing import ClassVar

from quorate.kernel import Context, NodeId, Stable, UsageError, World
from quorate.properties.commit import Outcome
from quorate.properties.cost import Cost
from quorate.protocols import presumed_abort
from quorate.protocols.presumed_abort import Ack, Read
from quorate.protocols.two_phase_commit import Abort, Commit, Inquire, Prepare, Prepared

Msg = Prepare | Prepared | Read | Commit | Abort | Ack | Inquire


class Coordinator(presumed_abort.Coordinator):
    """That of presumed abort the other way round. `owing` is now the record that it collects."""

    presumed: ClassVar[Outcome] = Outcome.COMMITTED
    owing: Stable[frozenset[NodeId]] = frozenset()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        presumed_abort.Coordinator.on_start(self, ctx, recovered)
        if not recovered:
            # Whoever is prepared from here on may ask, and must not find that nothing is known.
            self.owing = self.participants
            ctx.broadcast(self.participants, Prepare())

    def decide(self, ctx: Context, outcome: Outcome) -> None:
        if outcome is self.presumed:
            self.owing = frozenset()  # the commit: the same forced write strikes the record out
        presumed_abort.Coordinator.decide(self, ctx, outcome)


class Participant(presumed_abort.Participant):
    """As in presumed abort, but what it records and acknowledges is an abort."""

    presumed: ClassVar[Outcome] = Outcome.COMMITTED


PROPERTIES = presumed_abort.PROPERTIES


def world(participants: int = 3, readers: int = 1, crashes: int = 0) -> World:
    """Coordinator tm, and participants rm1…, of which the last `readers` have only read; all of
    them prepare when they are asked to."""
    if readers >= participants:
        raise UsageError(f"readers={readers}: rm1 of {participants} has changed something")
    names = tuple(f"rm{i}" for i in range(1, participants + 1))
    works = (
        Participant(name, "tm", False, True, reads=name in names[participants - readers :])
        for name in names
    )
    return World(
        processes=(Coordinator("tm", frozenset(names), frozenset(names)), *works),
        properties=PROPERTIES,
        crashes=crashes,
    )


def small(participants: int = 2, readers: int = 0, crashes: int = 1) -> World:
    """It can be explored to its end."""
    return world(participants, readers, crashes)


def cost(participants: int, readers: int) -> Cost:
    """until all participants have ended"""
    return Cost(
        messages=3 * participants - readers,
        delays=3,
        forced_writes=participants - readers + 2,
        write_delays=3,
    )


WORLDS = {"main": world, "small": small}
QUIET: dict[str, object] = {}
