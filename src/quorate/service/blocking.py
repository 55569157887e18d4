"""The client for threads: the asyncio client on a loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, Self, TypeVar

from quorate.service.client import Client, Item

T = TypeVar("T")


class BlockingClient:
    """The same client for threads: `with BlockingClient([…]) as client: client.put("k", "v")`."""

    def __init__(self, endpoints: Sequence[str], timeout_s: float = 5.0) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._client = Client(endpoints, timeout_s)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._client.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._client.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def put(self, key: str | bytes, value: str | bytes) -> int:
        """Bind `key` to `value`; the new revision."""

        async def call() -> int:
            return await self._client.put(key, value)

        return self._call(call())

    def delete(self, key: str | bytes) -> int:
        """Remove `key`; the new revision, or 0 if there was nothing to remove."""

        async def call() -> int:
            return await self._client.delete(key)

        return self._call(call())

    def compare_and_set(
        self, key: str | bytes, expected: str | bytes | None, value: str | bytes
    ) -> int:
        """Bind `key` to `value` if it holds `expected` (None: nothing); the new revision, or 0."""

        async def call() -> int:
            return await self._client.compare_and_set(key, expected, value)

        return self._call(call())

    def get(self, key: str | bytes) -> Item | None:
        """What is bound to `key`, as of some moment during the call (linearizable)."""
        return self._call(self._client.get(key))

    def range(self, start: str | bytes = b"", end: str | bytes = b"", limit: int = 0) -> list[Item]:
        """Items from `start` up to, not including, `end` in key order; b"" and 0 set no bound."""
        return self._call(self._client.range(start, end, limit))
