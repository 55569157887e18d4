"""One node on real time, sockets and disk.

Events take their steps at once. What a step sends and states leaves at once too, unless it, or a
step before it, changed stable fields that are not durable yet; then it waits in line for the next
force, which covers every step up to then. Frames go out before the force starts, so that the peers'
disks work at the same time.

A node that cannot be trusted any more, because its disk failed or its protocol broke, stops.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from quorate.kernel import (
    Actor,
    At,
    By,
    CancelTimer,
    Choice,
    Choose,
    Effect,
    Event,
    Fact,
    Message,
    NodeId,
    Output,
    ProtocolBug,
    Receive,
    Send,
    SetTimer,
    Start,
    StorageError,
    Timed,
    Timeout,
    UsageError,
    address,
    messages_of,
    roles_of,
)
from quorate.runtime.disk import Disk
from quorate.runtime.link import Cluster
from quorate.runtime.loop import refuse_unchecked
from quorate.runtime.recording import Recorder
from quorate.runtime.seals import Seals
from quorate.runtime.timers import Timers
from quorate.runtime.transport import Address, Item, Limits, Transport
from quorate.runtime.wal import NoWal, Wal

_log = logging.getLogger(__name__)


def _nothing(_: BaseException | None) -> None:
    pass


class Node:
    """Runs one Actor.

    `peers` are the nodes' addresses by name (its own may be among them). A role lives on the node
    of its own name unless `hosts` says on which. Without a `directory` it keeps nothing, and its
    actor may have nothing to keep; without `listen` it dials everybody. `on_fact(role, fact)` is
    told each fact once it is safe, in order; `on_stop(error)` that the node ended, with None if it
    was told to. With `record`, the life is recorded to that new file.
    """

    def __init__(
        self,
        boot: Actor,
        *,
        directory: Path | None,
        cluster: Cluster,
        peers: Mapping[NodeId, Address | None],
        listen: Address | None,
        on_fact: Callable[[NodeId, Fact], None],
        on_stop: Callable[[BaseException | None], None] = _nothing,
        record: Path | None = None,
        hosts: Mapping[NodeId, NodeId] | None = None,
        limits: Limits | None = None,
        disk: Disk | None = None,
        seals: Seals | None = None,
    ) -> None:
        self.actor = boot
        self._roles = frozenset(role.me for role in roles_of(boot))
        self._hosts = {} if hosts is None else hosts
        self._timed = any(isinstance(role, Timed) for role in roles_of(boot))
        self._on_fact, self._on_stop = on_fact, on_stop
        self._directory, self._cluster, self._disk = directory, cluster, disk
        self._record = record
        self._recorder: Recorder | None = None
        self._wal: Wal | NoWal | None = None
        self._timers = Timers(self._on_timer)
        self._local: deque[Event] = deque()  # this node's messages to itself, and choices
        self._inbox: deque[Event] = deque()
        self._held: deque[tuple[NodeId, Send | Output]] = deque()
        self._unforced = False  # some step changed what must be durable before anything leaves
        self._busy = False
        self._ending_tick = self._syncing = False
        self._running = False
        self._error: BaseException | None = None
        self.transport = Transport(
            boot.me,
            cluster,
            peers,
            listen,
            messages=messages_of((boot,)),
            receive=self._on_items,
            limits=limits,
            seals=seals,
        )

    async def start(self) -> None:
        """Recover, listen, take the first step, and dial the peers.

        Raises UsageError or StorageError when that cannot be; the node has then let go of all.
        """
        refuse_unchecked()
        if self._wal is not None:
            raise UsageError(f"node {self.actor.me} was started before; make a new Node")
        if self._directory is None:
            self._wal = NoWal(self.actor)
        else:
            self._wal = Wal(
                self._directory, cluster=self._cluster.id, boot=self.actor, disk=self._disk
            )
        if self._wal.note:
            _log.warning("%s", self._wal.note)
        self.actor = self._wal.actor
        try:
            if self._record is not None:
                self._recorder = Recorder(self._record, self.actor)
            self._running = True
            self._accept(Start(self._wal.recovered))
            if self._error is not None:
                raise self._error
            await self.transport.start()
        except BaseException:
            self._running = False
            self._close()
            raise

    async def stop(self) -> None:
        """Finish writing, close everything, and tell `on_stop`; once stopped, it stays so."""
        if not self._running:
            return
        try:
            self._log_of_steps.sync()
        except StorageError as error:
            return self._fail(error)
        self._running = False
        self._close()
        await self.transport.stop()
        self._on_stop(None)

    def submit(self, src: NodeId, msg: Message, role: NodeId | None = None) -> None:
        """A message from a local source, `src` as the actor sees it, to `role` of this node."""
        to = self.actor.me if role is None else role
        if to not in self._roles:
            raise UsageError(f"node {self.actor.me} has no role {to!r}: {sorted(self._roles)}")
        self._accept(address(self.actor, to, Receive(src, msg)))

    def compact(self) -> None:
        """Rewrite the log from the present durable state, which makes all of it durable."""
        try:
            self._log_of_steps.rewrite(self.actor)
        except StorageError as error:
            self._fail(error)

    @property
    def log_bytes(self) -> int:
        """How long the log is; `compact` makes it as short as the durable state."""
        return self._log_of_steps.size_bytes

    @property
    def _log_of_steps(self) -> Wal | NoWal:
        if self._wal is None:
            raise UsageError(f"node {self.actor.me} was not started")
        return self._wal

    def _on_items(self, peer: NodeId, items: list[Item]) -> None:
        for src, to, msg in items:
            if self._hosts.get(src, src) != peer:
                self.transport.reject("a message from a role that lives elsewhere")
            elif to not in self._roles:
                self.transport.reject("a message to a role that lives elsewhere")
            else:
                self._inbox.append(address(self.actor, to, Receive(src, msg)))
        self._drain()

    def _on_timer(self, role: NodeId, timer: str) -> None:
        self._accept(address(self.actor, role, Timeout(timer)))

    def _accept(self, event: Event) -> None:
        self._inbox.append(event)
        self._drain()

    def _drain(self) -> None:
        """Take every step there is to take: what the node has for itself comes first."""
        if self._busy:
            return  # on_fact submitted something; the loop below us will come to it
        self._busy = True
        try:
            while self._running and (self._local or self._inbox):
                self._step((self._local or self._inbox).popleft())
        except Exception as error:
            self._fail(error)
        finally:
            self._busy = False
        due = self._unforced or self.transport.pending
        if due and self._running and not self._ending_tick:
            self._ending_tick = True
            asyncio.get_running_loop().call_soon(self._end_tick)

    def _step(self, event: Event) -> None:
        if self._timed:
            event = At(time.monotonic_ns() // 1_000_000, event)
        try:
            self.actor, effects = self.actor.step(event)
        except Exception as error:
            raise ProtocolBug(f"{self.actor.me} broke on {event!r}: {error!r}") from error
        if self._recorder is not None:
            self._recorder.write(event, effects)
        if self._log_of_steps.append(effects):
            self._unforced = True
        for effect in effects:
            if type(effect) is By:
                self._perform(effect.role, effect.effect)
            else:
                self._perform(self.actor.me, effect)

    def _perform(self, role: NodeId, effect: Effect) -> None:
        if type(effect) is Send or type(effect) is Output:
            if self._unforced:
                self._held.append((role, effect))
            else:
                self._release(role, effect)
        elif type(effect) is SetTimer:
            self._timers.set(role, effect.timer, effect.after_ms)
        elif type(effect) is CancelTimer:
            self._timers.cancel(role, effect.timer)
        elif type(effect) is Choose:
            choice = Choice(effect.key, random.choice(effect.options))
            self._local.append(address(self.actor, role, choice))

    def _release(self, role: NodeId, effect: Send | Output) -> None:
        if type(effect) is Output:
            self._on_fact(role, effect.fact)
        elif type(effect) is Send:
            to = effect.to
            if to in self._roles:
                self._local.append(address(self.actor, to, Receive(role, effect.msg)))
            else:
                self.transport.send(self._hosts.get(to, to), role, to, effect.msg)

    def _end_tick(self) -> None:
        self._ending_tick = False
        if not self._running:
            return
        self.transport.flush()
        if self._unforced and not self._syncing:
            self._syncing = True
            # One turn of the loop later: uvloop writes to sockets at the end of a turn.
            asyncio.get_running_loop().call_soon(self._sync)

    def _sync(self) -> None:
        """Force what was noted; everything that waited for it may leave."""
        self._syncing = False
        if not self._running:
            return
        self._busy = True
        try:
            self._log_of_steps.sync()
            self._unforced = False
            held, self._held = self._held, deque()
            for role, effect in held:
                self._release(role, effect)
        except Exception as error:
            self._fail(error)
        finally:
            self._busy = False
        self._drain()

    def _fail(self, error: BaseException) -> None:
        """Stop for good: nothing that is not out yet will leave."""
        if not self._running:
            return
        self._running, self._error = False, error
        _log.critical("node %s stopped: %s", self.actor.me, error, exc_info=error)
        self._close()
        self._on_stop(error)

    def _close(self) -> None:
        self._timers.clear()
        self.transport.abort()
        self._log_of_steps.close()
        if self._recorder is not None:
            self._recorder.close()
