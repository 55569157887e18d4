"""Bayou: write to any copy within reach, and let all copies agree on one order in the end.

Problem      a store is to be read and written wherever one replica of it can be reached, also by
             users who are cut off from all the others; whoever can reach each other come to agree
Source       Terry et al., Managing Update Conflicts in Bayou, a Weakly Connected Replicated Storage
             System, SOSP 1995; Petersen et al., Flexible Update Propagation for Weakly Consistent
             Replication, SOSP 1997; Terry et al., Session Guarantees for Weakly Consistent
             Replicated Data, PDIS 1994
Model        asynchronous; replicas crash and recover; links lose, duplicate and reorder
Quorum       none: any one replica answers; one of them, the primary, settles the order
Roles
  Replica    accepts writes, orders them, and lets others have what they lack
  Session    one client's operations, at any replica that is not behind what it has seen
Messages
  Get        session → replica — what is this key bound to, if you hold what I need?
  Got        replica → session — this; and this is all that I hold
  Put        session → replica — make this change, or one of these if there is a conflict
  Accepted   replica → session — I hold it as this write
  Refused    replica → session — I do not hold what you need
  Have       replica → replica — I hold these writes, so many of them committed
  Update     replica → replica — you lack these writes, and that these are committed
Stable
  Replica.log  or writes that were accepted, and perhaps passed on, would be lost
Guarantees   one_order, for_good, no_gaps, same, read_your_writes, monotonic_reads,
             writes_follow_reads, monotonic_writes, seen, reordered, finished, converged
Cost         until a write returns, whichever replicas can be reached: 2 messages,
             2 message delays, 1 forced write, 1 write delay
Deviations   a merge procedure is a list of changes, each with its check; a replica that lacks
             something asks for it, and all of them ask all others in turn; an update is one
             message; what an operation asked for is done once, although a session that hears
             nothing asks elsewhere; which replica is primary never changes
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from quorate.kernel import NodeId, UsageError, World
from quorate.properties.convergence import (
    Dot,
    converged,
    for_good,
    moved,
    no_gaps,
    one_order,
    placed,
    reordered,
    same,
)
from quorate.properties.cost import Cost
from quorate.properties.linearizable import History
from quorate.properties.register import atomic, finished, seen
from quorate.properties.sessions import (
    Sessions,
    anomaly,
    monotonic_reads,
    monotonic_writes,
    read_your_writes,
    writes_follow_reads,
)
from quorate.protocols.bayou.log import Base, Change, Have, Log, Update, Vector, Write
from quorate.protocols.bayou.replica import Accepted, Get, Got, Put, Refused, Replica
from quorate.protocols.bayou.session import ALL, Guarantees, Session, Task

__all__ = [
    "Accepted", "Base", "Change", "Dot", "Get", "Got", "Guarantees", "Have", "Log", "Put",
    "Refused", "Replica", "Session", "Task", "Update", "Vector", "Write", "atomic", "placed",
]  # fmt: skip

Msg = Get | Got | Put | Accepted | Refused | Have | Update

REPLICAS = one_order, for_good, no_gaps, same
SESSIONS = read_your_writes, monotonic_reads, writes_follow_reads, monotonic_writes
PROPERTIES = (*REPLICAS, *SESSIONS, seen, reordered, finished, converged)


def world(
    tasks: str = "wrwrwr wrwrwr wrwrwr",
    replicas: int = 3,
    near: int = 0,
    keep: int = 4,
    batch: int = 8,
    ryw: bool = True,
    mr: bool = True,
    wfr: bool = True,
    mw: bool = True,
) -> World:
    """Replicas s1…, of which s1 is the primary, and a session c1… for each word of `tasks`: w for a
    write, r for a read, of one key.

    Session c1 is nearest to s1, c2 to s2, and so on; each turns to the `near` nearest, 0: to all. A
    log keeps so many committed writes, and an update has so many at most. `ryw`, `mr`, `wfr`, `mw`:
    which guarantees sessions ask for; of the others it is said that they are broken in some run.
    """
    words = enumerate(tasks.split(), start=1)
    turned = tuple(_tasks(f"c{index}", word) for index, word in words)
    return store(turned, replicas, near, keep, batch, Guarantees(ryw, mr, wfr, mw))


def small(
    tasks: str = "wr w",
    replicas: int = 2,
    near: int = 1,
    keep: int = 4,
    batch: int = 1,
    ryw: bool = True,
    mr: bool = True,
    wfr: bool = True,
    mw: bool = True,
) -> World:
    """Few operations, so that it can be explored to its end."""
    return world(tasks, replicas, near, keep, batch, ryw, mr, wfr, mw)


def _tasks(name: NodeId, word: str) -> tuple[Task, ...]:
    if set(word) - {"w", "r"}:
        raise UsageError(f"tasks has {word!r}: a session's tasks are w and r, such as wrw")
    return tuple(
        Task("x", (Change("x", f"{name}.{number}"),) if letter == "w" else ())
        for number, letter in enumerate(word, start=1)
    )


def rooms(
    sessions: int = 2, replicas: int = 3, hours: int = 3, near: int = 0, merge: bool = True
) -> World:
    """Each session books a room at nine, or at the next hour that is free; without `merge`, at nine
    or not at all."""
    tasks = []
    for me in (f"c{i}" for i in range(1, sessions + 1)):
        slots = [f"{hour}:00" for hour in range(9, 9 + hours)]
        changes = tuple(Change(slot, me, query=slot) for slot in slots)
        tasks.append((Task("9:00", changes if merge else changes[:1]),))
    base = store(tasks, replicas, near)
    properties = (*REPLICAS, *(moved,) * merge, finished, converged, placed)
    return msgspec.structs.replace(base, properties=properties)


def store(
    tasks: Sequence[tuple[Task, ...]],
    replicas: int = 3,
    near: int = 0,
    keep: int = 4,
    batch: int = 8,
    guarantees: Guarantees = ALL,
) -> World:
    """A session for each of these lists of tasks."""
    if replicas < 2:
        raise UsageError(f"replicas={replicas}: to agree with somebody takes two or more")
    if batch < 1:
        raise UsageError(f"batch={batch}: an update with nothing in it helps nobody")
    names = tuple(f"s{i}" for i in range(1, replicas + 1))
    processes: list[Replica | Session] = []
    for name in names:
        peers = tuple(other for other in names if other != name)
        processes.append(Replica(name, peers, name == names[0], keep, batch))
    for index, mine in enumerate(tasks):
        turned = names[index % replicas :] + names[: index % replicas]
        processes.append(Session(f"c{index + 1}", turned[: near or None], mine, guarantees))
    asked = zip(SESSIONS, msgspec.structs.astuple(guarantees), strict=True)
    promises = tuple(each if is_asked else anomaly(each) for each, is_asked in asked)
    return World(
        processes=tuple(processes),
        observers=(History("history"), Sessions("sessions")),
        properties=(*REPLICAS, *promises, seen, reordered, finished, converged),
        crashable=frozenset(names),
    )


def cost() -> Cost:
    """until a write returns, whichever replicas can be reached"""
    return Cost(
        messages=2,
        delays=2,
        forced_writes=1,
        write_delays=1,
        counted=(Put, Accepted),
    )


WORLDS = {"main": world, "small": small, "rooms": rooms}
QUIET = {"tasks": "w"}
