"""Load on a cluster: callers that each wait for one answer before they ask again."""

from __future__ import annotations

import asyncio
import time

import msgspec

from quorate.service.client import Client, ServiceError


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


async def load(
    endpoints: list[str],
    *,
    clients: int,
    seconds: float,
    operation: str = "put",
    value_bytes: int = 64,
    connections: int = 1,
    warm_s: float = 1.0,
) -> Load:
    """`clients` concurrent callers, over `connections` connections of one process."""
    links = [Client(endpoints, timeout_s=10) for _ in range(connections)]
    latencies: list[float] = []
    failed = 0
    value = b"x" * value_bytes
    loop = asyncio.get_running_loop()
    for link in links:
        await link.__aenter__()
    began = loop.time() + warm_s
    end = began + seconds

    async def caller(number: int) -> None:
        nonlocal failed
        link = links[number % connections]
        keys = [f"key-{number}-{i}".encode() for i in range(1000)]
        count = 0
        clock = time.perf_counter
        while loop.time() < end:
            key = keys[count % 1000]
            count += 1
            before = clock()
            try:
                if operation == "put":
                    await link.put(key, value)
                else:
                    await link.get(key)
            except ServiceError:
                failed += 1
                continue
            after = clock()
            if loop.time() > began:
                latencies.append(after - before)

    try:
        await asyncio.gather(*(caller(number) for number in range(clients)))
    finally:
        for link in links:
            await link.__aexit__()
    latencies.sort()
    return Load(
        operation=operation,
        clients=clients,
        connections=connections,
        value_bytes=value_bytes,
        seconds=seconds,
        completed=len(latencies),
        failed=failed,
        per_second=len(latencies) / seconds,
        p50_ms=_percentile(latencies, 0.5),
        p99_ms=_percentile(latencies, 0.99),
    )


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[int(share * (len(ordered) - 1))] * 1000 if ordered else float("nan")
