"""Load on a cluster: callers that each wait for one answer before they ask again."""

from __future__ import annotations

import asyncio
import time

import msgspec

from quorate.service.client import Client, ServiceError

KEYS = 1000
WARM_S = 1.0


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What closed-loop callers got. Latencies in ms."""

    operation: str
    clients: int
    connections: int
    value_bytes: int
    seconds: float
    completed: int
    failed: int
    per_second: float
    p50_ms: float
    p99_ms: float


class _Callers:
    """Closed loops that share some clients, and the latencies they see once warm."""

    def __init__(self, links: list[Client], operation: str, value: bytes) -> None:
        self.links = links
        self.operation = operation
        self.value = value
        self.latencies: list[float] = []
        self.failed = 0

    async def run(self, number: int, began: float, end: float) -> None:
        """Ask, wait, and ask again until `end`, a reading of `time.perf_counter`."""
        link = self.links[number % len(self.links)]
        keys = [f"key-{number}-{i}".encode() for i in range(KEYS)]
        now, put = time.perf_counter, self.operation == "put"
        count = 0
        while (before := now()) < end:
            key = keys[count % KEYS]
            count += 1
            try:
                await (link.put(key, self.value) if put else link.get(key))
            except ServiceError:
                self.failed += 1
                continue
            if before > began:
                self.latencies.append(now() - before)


async def load(
    endpoints: list[str],
    *,
    clients: int,
    seconds: float,
    operation: str = "put",
    value_bytes: int = 64,
    connections: int = 1,
) -> Load:
    """`clients` concurrent callers, over `connections` connections of one process."""
    links = [Client(endpoints, timeout_s=10) for _ in range(connections)]
    callers = _Callers(links, operation, b"x" * value_bytes)
    began = time.perf_counter() + WARM_S
    for link in links:
        await link.__aenter__()
    try:
        work = (callers.run(number, began, began + seconds) for number in range(clients))
        await asyncio.gather(*work)
    finally:
        for link in links:
            await link.__aexit__()
    latencies = sorted(callers.latencies)
    return Load(
        operation=operation,
        clients=clients,
        connections=connections,
        value_bytes=value_bytes,
        seconds=seconds,
        completed=len(latencies),
        failed=callers.failed,
        per_second=len(latencies) / seconds,
        p50_ms=_percentile(latencies, 0.5),
        p99_ms=_percentile(latencies, 0.99),
    )


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[int(share * (len(ordered) - 1))] * 1000 if ordered else float("nan")
