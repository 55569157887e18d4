"""The asyncio client: it finds the leader, retries, and never writes twice.

Whatever is asked for within one tick of the loop travels in one frame. A write keeps its number in
its session however often it is sent, so that sending it again is safe; when the time is up before
an answer came, the error says whether the write certainly did not happen.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple, Self, cast

import msgspec

from quorate.kernel import BadMessage, QuorateError
from quorate.service import wire
from quorate.service.config import address

COMMANDS_PER_FRAME_MAX = 512
FRAME_BYTES_SOFT = 1 << 20
SWEEP_S = 0.05
RETRY_S = 0.05
CONNECT_S = 1.0


class ServiceError(QuorateError):
    """The service did not do what was asked."""


class DefiniteFailure(ServiceError):
    """It certainly did not happen."""


class IndefiniteFailure(ServiceError):
    """It may have happened, or may yet happen."""


class Item(NamedTuple):
    """A key and what is bound to it."""

    key: bytes
    value: bytes
    created: int
    modified: int
    version: int


class _Pending:
    """A request that waits for its answer."""

    __slots__ = ("ask", "deadline", "future", "number", "sent")

    def __init__(self, ask: Any, future: asyncio.Future[Any], deadline: float) -> None:
        self.ask = ask
        self.future = future
        self.deadline = deadline
        self.number = 0
        self.sent = False


_answers = msgspec.msgpack.Decoder(wire.FromServer)


class _Link(asyncio.Protocol):
    """A connection to one replica."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._frames = wire.Frames(bytes_max=1 << 30)
        self.transport: asyncio.Transport | None = None
        self.greeted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(wire.encode(wire.Hello()))

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._frames.feed(data):
                message = _answers.decode(body)
                if type(message) is not wire.Hello:
                    self._client._received(self, message)
                elif not self.greeted.done():
                    self.greeted.set_result(True)
        except (BadMessage, msgspec.DecodeError):
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.lost.set()
        if not self.greeted.done():
            self.greeted.set_result(False)

    def write(self, message: Any) -> None:
        if self.transport is not None:
            self.transport.write(wire.encode(message))

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()


class Client:
    """An asyncio client. Use as `async with Client(["127.0.0.1:7001", …]) as client`.

    Keys and values are bytes; text is taken as UTF-8. `timeout_s` bounds each call.
    Raises DefiniteFailure or IndefiniteFailure when the time is up.
    """

    def __init__(self, endpoints: Sequence[str], timeout_s: float = 5.0) -> None:
        self._endpoints = [address(endpoint) for endpoint in endpoints]
        self._timeout_s = timeout_s
        self._next_endpoint = itertools.cycle(self._endpoints)
        self._hint: tuple[str, int] | None = None
        self._link: _Link | None = None
        self._ready = False
        self._session = 0
        self._sequence = 0
        self._sent: deque[_Pending] = deque()  # numbered, in order, not yet answered
        self._unsent: deque[_Pending] = deque()
        self._queries: dict[int, list[_Pending]] = {}
        self._query_id = 0
        self._unasked: list[_Pending] = []
        self._flushing = False
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._keep_linked()), asyncio.create_task(self._sweep())]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._link is not None:
            self._link.close()
        asked = (pending for batch in self._queries.values() for pending in batch)
        for pending in (*self._sent, *self._unsent, *asked, *self._unasked):
            self._fail(pending, "the client was closed")

    # What callers ask for.

    def put(self, key: str | bytes, value: str | bytes) -> asyncio.Future[int]:
        """Bind `key` to `value`; the new revision."""
        return self._write(wire.Put(_bytes(key), _bytes(value)))

    def delete(self, key: str | bytes) -> asyncio.Future[int]:
        """Remove `key`; the new revision, or 0 if there was nothing to remove."""
        return self._write(wire.Delete(_bytes(key)))

    def compare_and_set(
        self, key: str | bytes, expected: str | bytes | None, value: str | bytes
    ) -> asyncio.Future[int]:
        """Bind `key` to `value` if it holds `expected` (None: nothing); the new revision, or 0."""
        held = None if expected is None else _bytes(expected)
        return self._write(wire.CompareAndSet(_bytes(key), held, _bytes(value)))

    async def get(self, key: str | bytes) -> Item | None:
        """What is bound to `key`, as of some moment during the call (linearizable)."""
        found = await self._read(wire.Get(_bytes(key)))
        return None if found is None else Item(_bytes(key), *found)

    async def range(
        self, start: str | bytes = b"", end: str | bytes = b"", limit: int = 0
    ) -> list[Item]:
        """Items from `start` up to, not including, `end` in key order; b"" and 0 set no bound."""
        found = await self._read(wire.Range(_bytes(start), _bytes(end), limit))
        return [Item(key, *item) for key, item in found]

    # Requests wait in order, and leave together.

    def _pending(self, ask: Any) -> _Pending:
        loop = asyncio.get_running_loop()
        if not self._flushing:
            self._flushing = True
            loop.call_soon(self._flush)
        return _Pending(ask, loop.create_future(), loop.time() + self._timeout_s)

    def _write(self, command: wire.Command) -> asyncio.Future[int]:
        if problem := wire.problem_of(command):
            raise DefiniteFailure(problem)
        pending = self._pending(command)
        self._unsent.append(pending)
        return pending.future

    def _read(self, read: wire.Get | wire.Range) -> asyncio.Future[Any]:
        pending = self._pending(read)
        self._unasked.append(pending)
        return pending.future

    def _flush(self) -> None:
        self._flushing = False
        if not self._ready or self._link is None:
            return
        while self._unsent:
            size = 0
            batch: list[_Pending] = []
            while self._unsent and len(batch) < COMMANDS_PER_FRAME_MAX and size < FRAME_BYTES_SOFT:
                pending = self._unsent.popleft()
                self._sequence += 1
                pending.number, pending.sent = self._sequence, True
                size += len(getattr(pending.ask, "value", b""))
                batch.append(pending)
            self._sent.extend(batch)
            self._send_writes(batch)
        if self._unasked:
            asked, self._unasked = self._unasked, []
            for start in range(0, len(asked), COMMANDS_PER_FRAME_MAX):
                self._send_reads(asked[start : start + COMMANDS_PER_FRAME_MAX])

    def _send_writes(self, batch: list[_Pending]) -> None:
        assert self._link is not None
        commands = [pending.ask for pending in batch]
        first = batch[0].number
        self._link.write(wire.Write(self._session, first, self._sent[0].number, commands))

    def _send_reads(self, batch: list[_Pending]) -> None:
        assert self._link is not None
        self._query_id += 1
        self._queries[self._query_id] = batch
        self._link.write(wire.Query(self._query_id, [pending.ask for pending in batch]))

    # Answers.

    def _received(self, link: _Link, message: Any) -> None:
        if link is not self._link:
            return
        kind = type(message)
        if kind is wire.Written:
            self._written(message)
        elif kind is wire.Answer:
            batch = self._queries.pop(message.id, [])
            for pending, result in zip(batch, message.results, strict=False):
                if not pending.future.done():
                    pending.future.set_result(result)
        else:
            self._refused(link, message)

    def _written(self, message: wire.Written) -> None:
        if message.session == 0:
            self._session = message.results[0]
            self._renumber()
            return
        sent = self._sent
        last = message.first + len(message.results) - 1
        while sent and sent[0].number <= last:
            pending = sent.popleft()
            at = pending.number - message.first
            if at >= 0 and not pending.future.done():
                pending.future.set_result(message.results[at])

    def _renumber(self) -> None:
        """A session is open on this link: send what waits."""
        self._ready = True
        self._resend()
        self._flush()

    def _resend(self) -> None:
        waiting = list(self._sent)
        for start in range(0, len(waiting), COMMANDS_PER_FRAME_MAX):
            self._send_writes(waiting[start : start + COMMANDS_PER_FRAME_MAX])
        queries, self._queries = self._queries, {}
        for batch in queries.values():
            self._send_reads(batch)

    def _refused(self, link: _Link, refusal: wire.Refused) -> None:
        if refusal.reason == "busy" or refusal.reason == "gap":
            asyncio.get_running_loop().call_later(RETRY_S, self._resend_on, link)
        elif refusal.reason == "session":
            # The session was let go; what was sent in it may or may not have been done.
            for pending in self._sent:
                self._fail(pending, "the session expired before an answer came")
            self._sent.clear()
            self._session = self._sequence = 0
            link.close()
        elif refusal.reason in ("not leader", "unknown"):
            self._hint = address(refusal.leader) if refusal.leader else None
            link.close()
        else:
            self._reject(refusal)

    def _resend_on(self, link: _Link) -> None:
        if link is self._link and self._ready:
            self._resend()

    def _reject(self, refusal: wire.Refused) -> None:
        """The replica will not take these commands, whoever asks: number the rest anew."""
        for pending in self._sent:
            if pending.number >= refusal.id:
                pending.sent = False
                if not pending.future.done():
                    pending.future.set_exception(DefiniteFailure(refusal.reason))
        while self._sent and self._sent[-1].number >= refusal.id:
            self._sent.pop()
            self._sequence -= 1

    def _fail(self, pending: _Pending, why: str) -> None:
        if not pending.future.done():
            error = IndefiniteFailure if pending.sent else DefiniteFailure
            pending.future.set_exception(error(why))

    # Keeping a link to the leader, and the time.

    async def _keep_linked(self) -> None:
        while not self._closed:
            host, port = self._hint or next(self._next_endpoint)
            self._hint = None
            link = await self._connect(host, port)
            if link is not None:
                self._link = link
                if self._session:
                    self._renumber()
                else:
                    link.write(wire.Write(0, 1, 1, [wire.OpenSession()]))
                await link.lost.wait()
                self._link, self._ready = None, False
            if self._hint is None:
                await asyncio.sleep(RETRY_S)

    async def _connect(self, host: str, port: int) -> _Link | None:
        loop = asyncio.get_running_loop()
        link = _Link(self)
        greeted = False
        try:
            async with asyncio.timeout(CONNECT_S):
                await loop.create_connection(lambda: link, host, port)
                greeted = await link.greeted
        except (OSError, TimeoutError):
            return None
        finally:
            if not greeted:
                link.close()
        return link if greeted else None

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            now = loop.time()
            why = f"no answer within {self._timeout_s} s"
            for pending in self._sent:
                if pending.deadline < now:
                    self._fail(pending, why)
            while self._unsent and self._unsent[0].deadline < now:
                self._fail(self._unsent.popleft(), f"no leader within {self._timeout_s} s")
            for batch in self._queries.values():
                for pending in batch:
                    if pending.deadline < now:
                        self._fail(pending, why)
            self._unasked = [p for p in self._unasked if not self._expired(p, now, why)]

    def _expired(self, pending: _Pending, now: float, why: str) -> bool:
        if pending.deadline < now:
            self._fail(pending, why)
        return pending.future.done()


async def status(endpoint: str, timeout_s: float = 2.0) -> wire.Report:
    """How the replica at `endpoint` is. Raises DefiniteFailure if it does not say."""
    host, port = address(endpoint)
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(wire.encode(wire.Hello()) + wire.encode(wire.Status()))
                while True:
                    length = int.from_bytes(await reader.readexactly(wire.LENGTH), "big")
                    if length > wire.FRAME_BYTES_MAX:
                        raise DefiniteFailure(f"{endpoint} does not speak this protocol")
                    answer = _answers.decode(await reader.readexactly(length))
                    if isinstance(answer, wire.Report):
                        return answer
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, msgspec.DecodeError) as error:
        raise DefiniteFailure(f"{endpoint} does not answer ({error or 'time-out'})") from error


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
