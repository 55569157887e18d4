"""The quorum register without one of its guards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from quorate.kernel import Context, NodeId, QuorumSystem, Threshold, Weighted, World
from quorate.mutants import Mutant, swapped
from quorate.protocols import quorum_register
from quorate.protocols.quorum_register import (
    UNWRITTEN,
    Client,
    Latest,
    Phase,
    Replica,
    Store,
    Stored,
    Version,
)


class ReadsDoNotStore(Client):
    def begin(self, ctx: Context, phase: Phase) -> None:
        if phase is Phase.STORE and not self.writes:
            return self.end(ctx)
        Client.begin(self, ctx, phase)


class VersionStays(Client):
    def begin(self, ctx: Context, phase: Phase) -> None:
        if phase is Phase.STORE and self.writes:
            self.version = (1, self.me)
        Client.begin(self, ctx, phase)


class VersionUnnamed(Client):
    def begin(self, ctx: Context, phase: Phase) -> None:
        if self.writes:
            self.version = (self.version[0], "")
        Client.begin(self, ctx, phase)


class TakesLastAnswer(Client):
    def on_latest(self, ctx: Context, src: NodeId, m: Latest) -> None:
        self.version = UNWRITTEN
        Client.on_latest(self, ctx, src, m)


class CountsAnyAnswer(Client):
    def on_stored(self, ctx: Context, src: NodeId, m: Stored) -> None:
        Client.on_stored(self, ctx, src, Stored(self.number))


class CountsRepeats(Client):
    def on_stored(self, ctx: Context, src: NodeId, m: Stored) -> None:
        Client.on_stored(self, ctx, f"s{len(self.heard) + 1}", m)


class KeepsTheLast(Replica):
    def on_store(self, ctx: Context, src: NodeId, m: Store) -> None:
        self.version = UNWRITTEN
        Replica.on_store(self, ctx, src, m)


class Forgets(Replica):
    version: Version = UNWRITTEN
    value: str | None = None


def _swap(
    role: type[Client | Replica],
    crashes: int = 0,
    writers: int = 1,
    writes: int = 1,
    reads: int = 1,
    replicas: int = 3,
    reading: int = 0,
    writing: int = 0,
) -> Callable[..., World]:
    size = replicas

    def world(
        writers: int = writers,
        readers: int = 1,
        writes: int = writes,
        reads: int = reads,
        replicas: int = replicas,
        crashes: int = crashes,
    ) -> World:
        quorums = (reading, writing) if replicas == size else (0, 0)
        base = quorum_register.world(writers, readers, writes, reads, replicas, *quorums)
        return msgspec.structs.replace(swapped(base, role), crashes=crashes)

    return world


def _asking(base: World, query: QuorumSystem) -> World:
    """A world in which this is a quorum for a query."""
    processes = tuple(
        msgspec.structs.replace(role, reading=query) if isinstance(role, Client) else role
        for role in base.processes
    )
    return msgspec.structs.replace(base, processes=processes)


def _apart(
    writers: int = 1, readers: int = 1, writes: int = 1, reads: int = 1, replicas: int = 3
) -> World:
    """A query asks one replica of three, a store two."""
    base = quorum_register.world(writers, readers, writes, reads, replicas)
    return _asking(base, Threshold(tuple(f"s{i}" for i in range(1, replicas + 1)), 1))


def _votes_apart(
    writers: int = 1, readers: int = 1, writes: int = 1, reads: int = 1, replicas: int = 3
) -> World:
    """Of one vote more than there are replicas, one is enough to query, all others to store."""
    votes = (2,) + (1,) * (replicas - 1)
    base = quorum_register.weighted(
        "".join(map(str, votes)), 2, replicas, writers, readers, writes, reads
    )
    return _asking(base, Weighted(tuple(f"s{i}" for i in range(1, replicas + 1)), votes, 1))


def _mutant(
    name: str,
    breaks: str,
    world: Callable[..., World],
    found_by: Literal["check", "seeds"] = "check",
    **at_large: int,
) -> Mutant:
    return Mutant(
        name=name,
        protocol="quorum_register",
        breaks=breaks,
        kills="atomic",
        world=world,
        found_by=found_by,
        at_large={"writers": 2, "readers": 2, "writes": 3, "reads": 4, "replicas": 3} | at_large,
    )


MUTANTS = (
    _mutant("quorums_apart", "a query's quorum need not meet that of a store", _apart),
    _mutant(
        "votes_apart",
        "the votes for a query and those for a store are together no more than all",
        _votes_apart,
    ),
    _mutant(
        "reads_do_not_store",
        "a read returns what it found without having it stored",
        _swap(ReadsDoNotStore, reads=2),
    ),
    _mutant(
        "version_stays",
        "a write's version is not later than those it found",
        _swap(VersionStays, writes=2, replicas=2),
    ),
    _mutant(
        "version_unnamed",
        "two writers may give one version to two values",
        _swap(VersionUnnamed, writers=2, reads=2, replicas=2),
        found_by="seeds",  # too many states to look through
        writes=1,
        readers=1,
        reads=2,
    ),
    _mutant(
        "takes_last_answer",
        "a query ends with what came last, whatever its version",
        _swap(TakesLastAnswer, replicas=2, reading=2, writing=1),
        writers=1,
        readers=1,
        writes=1,
        reads=2,
    ),
    _mutant(
        "counts_any_answer",
        "an answer to an earlier store counts",
        _swap(CountsAnyAnswer, writes=2, replicas=2),
        writers=1,
        readers=1,
    ),
    _mutant(
        "counts_repeats",
        "one replica that answers twice counts twice",
        _swap(CountsRepeats),
    ),
    _mutant(
        "keeps_the_last",
        "a replica stores whatever comes, also what is earlier",
        _swap(KeepsTheLast, reads=2, replicas=2),
    ),
    _mutant("forgets", "what a replica stored does not survive a crash", _swap(Forgets, crashes=1)),
)
