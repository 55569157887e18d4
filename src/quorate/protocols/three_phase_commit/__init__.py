"""Three-phase commit: commit or abort everywhere, and never wait for who has stopped.

Problem      the participants end one transaction in the same way, even if a coordinator is lost
Source       Skeen, Nonblocking Commit Protocols, SIGMOD 1981; termination and recovery: Bernstein,
             Hadzilacos and Goodman, Concurrency Control and Recovery, 1987, section 7.5
Model        synchronous: no message is lost or late; any number of nodes may stop, and come back.
             Only if all participants have failed, those who are back wait for the others
Quorum       all participants to commit; all who have not failed to end without the coordinator;
             all of them to end once each has failed
Roles
  Coordinator  decides as in two-phase commit, but tells all that it will before it commits
  Participant  as in two-phase commit; when it hears nothing, it takes over in order of succession
Messages
  Prepare      coordinator → participants — now would be a good time to prepare
  Prepared     participant → coordinator — I can commit and I can abort; you decide
  PreCommit    coordinator, participant → participants — all are prepared; I shall commit
  Ack          participant → coordinator, participant — I know that
  Commit       coordinator, participant → participants, coordinator — it is committed
  Abort        coordinator, participant ↔ participants — it is aborted
  Inquire      coordinator, participant ↔ participants — I have been gone; what was decided?
  Ask          participant → participants — I take over; how do you stand?
  State        participant → participant — like this
  Returned     participant → participants — I have been gone; this is how I stood
Stable
  Coordinator.outcome       or it would decide anew what others have done
  Coordinator.precommits    or it would abort what others may have committed without it
  Participant.prepared      or it would abort what it left to others
  Participant.precommitted  or, once all have failed, they would abort what is committed
  Participant.concluded     or, once all have failed, they would decide anew
Guarantees   agreement, stability, unanimity, nontriviality, termination
Cost         until all participants have ended: 5·participants - 1 - 4·colocated messages, 6 -
             colocated message delays, 2·participants + 2 forced writes, 5 write delays
Deviations   one coordinator for each rank; once all participants have failed, all of them must be
             back, and not only the last that failed; a coordinator commits only if at least one
             participant has acknowledged, so that they need not wait for it as well
"""

from __future__ import annotations

from quorate.kernel import Actor, Network, World, placed
from quorate.properties.cost import Cost
from quorate.protocols import two_phase_commit
from quorate.protocols.three_phase_commit.roles import (
    Abort,
    Ack,
    Ask,
    Commit,
    Coordinator,
    Inquire,
    Msg,
    Participant,
    PreCommit,
    Prepare,
    Prepared,
    Returned,
    Standing,
    State,
)

__all__ = [
    "Abort", "Ack", "Ask", "Commit", "Coordinator", "Inquire", "Msg", "Participant", "PreCommit",
    "Prepare", "Prepared", "Returned", "Standing", "State",
]  # fmt: skip

PROPERTIES = two_phase_commit.PROPERTIES


def world(
    participants: int = 3,
    asks: bool = True,
    spontaneous: bool = False,
    colocated: bool = False,
    takes_over: bool = True,
) -> World:
    """Coordinator tm, and participants rm1…, of which the first prepares without being asked.

    `asks`: who hears nothing asks the others, or else goes by its own standing alone; unless
    nobody `takes_over`. `spontaneous`: all prepare without being asked; `colocated`: tm is on the
    node of rm1.
    """
    names = tuple(f"rm{i}" for i in range(1, participants + 1))
    first = names if spontaneous else names[:1]
    works = (
        Participant(rm, "tm", rm in first, succession=names, asks=asks, takes_over=takes_over)
        for rm in names
    )
    asked = frozenset(names) - frozenset(first)
    roles: tuple[Actor, ...] = (Coordinator("tm", frozenset(names), asked), *works)
    return World(
        processes=placed(roles, two_phase_commit.beside) if colocated else roles,
        properties=PROPERTIES,
        synchronous=True,
        returning=True,
    )


def small(participants: int = 2, crashes: int = 3) -> World:
    """Recovery alone: nobody takes over, so that no promise rests on time, and all come back."""
    base = world(participants, takes_over=False)
    return World(processes=base.processes, properties=PROPERTIES, crashes=crashes)


def asynchronous(participants: int = 2, crashes: int = 0, asks: bool = True) -> World:
    """Where a time-out may come while a message is still under way: it disagrees.

    Its links lose nothing; `--network set` lets them lose and delay what they like.
    """
    base = world(participants, asks)
    return World(
        processes=base.processes, properties=PROPERTIES, network=Network.FIFO, crashes=crashes
    )


def cost(participants: int, colocated: bool) -> Cost:
    """until all participants have ended"""
    return Cost(
        messages=5 * participants - 1 - 4 * colocated,
        delays=6 - colocated,
        forced_writes=2 * participants + 2,
        write_delays=5,
        spontaneous_write_delays=4,
    )


WORLDS = {"main": world, "small": small, "asynchronous": asynchronous}
QUIET: dict[str, object] = {}
