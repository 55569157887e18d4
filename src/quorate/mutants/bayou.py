"""Bayou without one of its guards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

import msgspec

from quorate.kernel import Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.protocols import bayou
from quorate.protocols.bayou import Base, Change, Log, Put, Replica, Session, Update, Write
from quorate.protocols.bayou.log import Request


class OwnClock(Log, frozen=True):
    def accept(self, me: NodeId, request: Request, changes: tuple[Change, ...]) -> Self:
        write = Write((dict(self.vector).get(me, 0) + 1, me), request, changes)
        return msgspec.structs.replace(self, writes=(*self.writes, write))


class InOrderOfArrival(Log, frozen=True):
    def learn(self, update: Update) -> Self:
        learned = Log.learn(self, update)
        place = {write.dot: at for at, write in enumerate(self.writes)}
        tentative = learned.writes[learned.committed :]
        arrived = sorted(tentative, key=lambda w: (place.get(w.dot, len(place)), w.dot))
        committed = learned.writes[: learned.committed]
        return msgspec.structs.replace(learned, writes=(*committed, *arrived))


class LatestFirst(Log, frozen=True):
    def missing(self, have: bayou.Have, most: int) -> Update | None:
        update = Log.missing(self, have, len(self.writes) + 1)
        if update is None or update.committed or not update.tentative:
            return Log.missing(self, have, most)
        return msgspec.structs.replace(update, tentative=update.tentative[-most:])


class TentativeToo(Log, frozen=True):
    def missing(self, have: bayou.Have, most: int) -> Update | None:
        update = Log.missing(self, have, most)
        everything = Log.missing(self, have, len(self.writes) + 1)
        if update is None or everything is None:
            return update
        return msgspec.structs.replace(update, tentative=everything.tentative)


class NoBase(Log, frozen=True):
    def missing(self, have: bayou.Have, most: int) -> Update | None:
        update = Log.missing(self, have, most)
        if update is None or update.base is None:
            return update
        return msgspec.structs.replace(update, base=None, after=have.committed)


class TakesAnyBase(Log, frozen=True):
    def learn(self, update: Update) -> Self:
        behind = self
        if update.base is not None:
            behind = msgspec.structs.replace(self, base=Base(), committed=0)
        return Log.learn(behind, update)


class KeepsCovered(Log, frozen=True):
    def learn(self, update: Update) -> Self:
        learned = Log.learn(self, update)
        if update.base is None or learned.base.count != update.base.count:
            return learned
        held = {write.dot for write in learned.writes}
        covered = [w for w in self.writes[self.committed :] if w.dot not in held]
        return msgspec.structs.replace(learned, writes=(*learned.writes, *covered))


class DropsTentative(Log, frozen=True):
    def learn(self, update: Update) -> Self:
        if update.base is not None and update.base.count > self.csn:
            return Log.learn(msgspec.structs.replace(self, writes=(), committed=0), update)
        return Log.learn(self, update)


class TakesAgain(Log, frozen=True):
    def learn(self, update: Update) -> Self:
        learned = Log.learn(self, update)
        here = {write.dot for write in learned.writes[learned.committed :]}
        again = [write for write in update.tentative if write.dot not in here]
        return msgspec.structs.replace(learned, writes=(*learned.writes, *again))


class IgnoresChecks(Log, frozen=True):
    def accept(self, me: NodeId, request: Request, changes: tuple[Change, ...]) -> Self:
        first = msgspec.structs.replace(changes[0], query=None)
        return Log.accept(self, me, request, (first,))


class DoesItTwice(Log, frozen=True):
    @staticmethod
    def replay(base: Base, writes: Sequence[Write]) -> Base:
        for write in writes:
            others = tuple(each for each in base.done if each[0] != write.request)
            base = Log.replay(msgspec.structs.replace(base, done=others), (write,))
        return base


class Forgets(Replica):
    log: Log = Log()


class EveryoneCommits(Replica):
    def grow(self, ctx: Context, log: Log) -> None:
        Replica.grow(self, ctx, log.commit())


class NeverAsks(Replica):
    def on_timer(self, ctx: Context, timer: str) -> None:
        ctx.ignore("they will ask")


class OnlyPrimaryAccepts(Replica):
    def on_put(self, ctx: Context, src: NodeId, m: Put) -> None:
        if not self.primary:
            return ctx.send(src, bayou.Refused(m.number))
        Replica.on_put(self, ctx, src, m)


class HasNothing(Replica):
    def on_get(self, ctx: Context, src: NodeId, m: bayou.Get) -> None:
        Replica.on_get(self, ctx, src, msgspec.structs.replace(m, key=""))


class WantsNoMore(Replica):
    def on_get(self, ctx: Context, src: NodeId, m: bayou.Get) -> None:
        if self.log.vector != m.needs:
            return ctx.send(src, bayou.Refused(m.number))
        Replica.on_get(self, ctx, src, m)


class ReadsAnyway(Replica):
    def on_get(self, ctx: Context, src: NodeId, m: bayou.Get) -> None:
        Replica.on_get(self, ctx, src, msgspec.structs.replace(m, needs=()))


class WritesAnyway(Replica):
    def on_put(self, ctx: Context, src: NodeId, m: Put) -> None:
        Replica.on_put(self, ctx, src, msgspec.structs.replace(m, needs=()))


class ForgetsWritten(Session):
    def on_accepted(self, ctx: Context, src: NodeId, m: bayou.Accepted) -> None:
        Session.on_accepted(self, ctx, src, m)
        self.written = ()


class ForgetsRead(Session):
    def on_got(self, ctx: Context, src: NodeId, m: bayou.Got) -> None:
        Session.on_got(self, ctx, src, m)
        self.read = ()


class ListensToAll(Session):
    def is_open(self, number: int) -> bool:
        return self.open


def _with(world: World, part: type[Log | Replica | Session] | None) -> World:
    """The world with one part replaced, a log in every replica."""
    if part is None or not issubclass(part, Log):
        return world if part is None else swapped(world, part)
    processes = tuple(
        msgspec.structs.replace(role, log=part()) if isinstance(role, Replica) else role
        for role in world.processes
    )
    return msgspec.structs.replace(world, processes=processes)


def _world(
    part: type[Log | Replica | Session] | None,
    without: str = "",
    crashes: int = 0,
    tasks: str = "wr w",
    replicas: int = 2,
    near: int = 1,
    keep: int = 4,
    batch: int = 1,
) -> Callable[..., World]:
    """`without`: a guarantee that sessions do not ask for, although it is promised."""

    def world(
        tasks: str = tasks,
        replicas: int = replicas,
        near: int = near,
        keep: int = keep,
        batch: int = batch,
        crashes: int = crashes,
    ) -> World:
        less = {without: False} if without else {}
        base = bayou.small(tasks, replicas, near, keep, batch, **less)
        base = msgspec.structs.replace(base, properties=bayou.PROPERTIES, crashes=crashes)
        return _with(base, part)

    return world


def _rooms(part: type[Log], sessions: int = 2, near: int = 1) -> Callable[..., World]:
    def world(
        sessions: int = sessions, replicas: int = 2, hours: int = 2, near: int = near
    ) -> World:
        return _with(bayou.rooms(sessions, replicas, hours, near), part)

    return world


def _mutant(
    name: str,
    breaks: str,
    kills: str,
    world: Callable[..., World],
    found_by: Literal["check", "seeds"] = "check",
    **at_large: Any,
) -> Mutant:
    return Mutant(
        name=name,
        protocol="bayou",
        breaks=breaks,
        kills=kills,
        world=world,
        found_by=found_by,
        at_large=(ROOMS if kills == bayou.placed.name else REGISTER) | at_large,
    )


REGISTER = {"tasks": "wrwr wrwr wrwr", "replicas": 3, "near": 0, "keep": 2, "batch": 4}
ROOMS = {"sessions": 2, "replicas": 2, "hours": 3, "near": 0}

MUTANTS = (
    _mutant(
        "forgets",
        "what a replica holds does not survive a crash",
        "what is held is held for good",
        _world(Forgets, crashes=1, tasks="w"),
    ),
    _mutant(
        "everyone_commits",
        "a replica that is not the primary commits what it holds",
        "one order of commitment",
        _world(EveryoneCommits, tasks="w w"),
    ),
    _mutant(
        "own_clock",
        "a write's time is not later than those of the writes that are held",
        "writes follow reads",
        _world(OwnClock, tasks="r ww rw", replicas=3),
        found_by="seeds",  # too many states to look through
    ),
    _mutant(
        "in_order_of_arrival",
        "tentative writes stand in the order in which they came",
        "who knows the same sees the same",
        _world(InOrderOfArrival, tasks="r w w", replicas=3),
    ),
    _mutant(
        "latest_first",
        "of what another replica lacks, the last is sent first",
        "no gap in what one accepted",
        _world(LatestFirst, tasks="r ww"),
    ),
    _mutant(
        "tentative_too",
        "tentative writes are sent although committed ones before them are not",
        "no gap in what one accepted",
        _world(TentativeToo, tasks="w ww", replicas=3),
        found_by="seeds",
        tasks="wwww wwww wwww",
        batch=1,
    ),
    _mutant(
        "no_base",
        "a log that begins too late is sent without its base",
        "all hold the same, committed",
        _world(NoBase, tasks="w", keep=0),
        tasks="w",
        replicas=2,
        keep=0,
    ),
    _mutant(
        "takes_any_base",
        "a base takes the place of the log, although more is committed here",
        "what is held is held for good",
        _world(TakesAnyBase, tasks="ww", keep=0),
    ),
    _mutant(
        "keeps_covered",
        "tentative writes of which a base has taken account stay in the log",
        "one order of commitment",
        _world(KeepsCovered, tasks="r w", keep=0),
    ),
    _mutant(
        "drops_tentative",
        "tentative writes of which a base has not taken account go with the log",
        "what is held is held for good",
        _world(DropsTentative, tasks="w w", keep=0),
    ),
    _mutant(
        "takes_again",
        "a write that comes late is tentative once more, although it is committed",
        "one order of commitment",
        _world(TakesAgain, tasks="r w"),
    ),
    _mutant(
        "does_it_twice",
        "an operation that two replicas accepted is done twice",
        "every booking has one place",
        _rooms(DoesItTwice, sessions=1, near=2),
    ),
    _mutant(
        "ignores_checks",
        "a dependency check does not matter",
        "every booking has one place",
        _rooms(IgnoresChecks),
    ),
    _mutant(
        "reads_anyway",
        "a replica that is behind what a session wrote answers its reads",
        "read your writes",
        _world(ReadsAnyway, tasks="wr", near=2),
    ),
    _mutant(
        "writes_anyway",
        "a replica that is behind what a session wrote accepts its writes",
        "monotonic writes",
        _world(WritesAnyway, tasks="ww", near=2),
    ),
    *(
        _mutant(
            name,
            f"a {name.partition('s_')[0]} does not ask for what was {what}",
            kills,
            _world(None, setting, tasks=few, near=2),
            tasks=many,
        )
        for name, setting, what, kills, few, many in (
            ("reads_without_own", "ryw", "written", "read your writes", "wr", "wrwr wrwr"),
            ("reads_without_read", "mr", "read", "monotonic reads", "w rr", "www rrrr rrrr"),
            ("writes_without_read", "wfr", "read", "writes follow reads", "w rw", "wrwr wrwr"),
            ("writes_without_own", "mw", "written", "monotonic writes", "ww", "wwww wwww"),
        )
    ),
    _mutant(
        "forgets_written",
        "a session does not note what it wrote",
        "read your writes",
        _world(ForgetsWritten, tasks="wr", near=2),
    ),
    _mutant(
        "forgets_read",
        "a session does not note what it read",
        "monotonic reads",
        _world(ForgetsRead, tasks="w rr", near=2),
    ),
    _mutant(
        "listens_to_all",
        "an answer to an earlier operation ends the one that is open",
        "monotonic writes",
        _world(ListensToAll, tasks="ww", near=2),
    ),
    _mutant(
        "has_nothing",
        "a replica reads from an empty database",
        "a written value is read",
        _world(HasNothing),
        tasks="wr",
        replicas=2,
    ),
    _mutant(
        "only_primary_accepts",
        "a replica that is not the primary accepts no writes",
        "a write takes its place before others",
        _world(OnlyPrimaryAccepts, tasks="w w", near=2),
        tasks="w w",
        replicas=2,
    ),
    _mutant(
        "wants_no_more",
        "a replica that holds more than a session needs refuses",
        "every operation ends",
        _world(WantsNoMore),
        tasks="wr",
        replicas=2,
    ),
    _mutant(
        "never_asks",
        "a replica does not ask others for what it lacks",
        "all hold the same, committed",
        _world(NeverAsks),
    ),
)
