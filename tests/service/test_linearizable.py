"""What concurrent clients see of a live cluster while its leader is killed is linearizable."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quorate.check.linearizability import (
    KeyValue,
    Operation,
    Recorder,
    check_history,
    report,
)
from quorate.service.client import Client, DefiniteFailure, ServiceError, status
from quorate.service.serve import LocalCluster
from service.cluster import free_port

CLIENTS = 6
KILLS = 4
KEYS = "abc"
VALUES = "xyz"
SETTLED_S = 0.3  # of writing between two kills

pytestmark = pytest.mark.slow


class User:
    """One of several who do one thing after the other, each at an endpoint of its own choice."""

    def __init__(self, number: int, endpoints: list[str], recorder: Recorder) -> None:
        self._number, self._lives, self._draw = number, 0, random.Random(number)
        first = number % len(endpoints)
        self._endpoints = endpoints[first:] + endpoints[:first]
        self._recorder = recorder
        self.done = 0

    async def work(self, ended: asyncio.Event) -> None:
        async with Client(self._endpoints, timeout_s=2.0) as client:
            while not ended.is_set():
                await self._one(client)

    async def _one(self, client: Client) -> None:
        key, value, old = (self._draw.choice(of) for of in (KEYS, VALUES, (*VALUES, None)))
        calls: list[tuple[str, Any, Any]] = [
            ("get", key, lambda: self._get(client, key)),
            ("put", (key, value), lambda: client.put(key, value)),
            ("cas", (key, old, value), lambda: client.compare_and_set(key, old, value)),
            ("delete", key, lambda: client.delete(key)),
        ]
        [(name, argument, ask)] = self._draw.choices(calls, (4, 2, 2, 1))
        # Whoever does not know how its operation ended goes on as somebody else.
        me = f"{self._number}.{self._lives}"
        self._recorder.call(me, name, argument)
        try:
            result = await ask()
        except ServiceError as error:
            if name == "get" or isinstance(error, DefiniteFailure):
                self._recorder.fail(me)
            else:
                self._recorder.info(me)
                self._lives += 1
            return
        self._recorder.ok(me, result)
        self.done += 1

    @staticmethod
    async def _get(client: Client, key: str) -> Any:
        item = await client.get(key)
        if item is None:
            return None
        return (item.value.decode(), item.created, item.modified, item.version)


async def leader_of(cluster: LocalCluster) -> str:
    for endpoint in cluster.endpoints:
        with contextlib.suppress(DefiniteFailure):
            report = await status(endpoint)
            if report.standing == "leader":
                return report.node
    return ""


async def patiently(what: Awaitable[Any], ended: asyncio.Event) -> None:
    try:
        await what
    finally:
        ended.set()


async def disturb(cluster: LocalCluster, users: list[User]) -> None:
    """Kill whoever leads, see that work goes on without it, start it again; several times."""
    for _ in range(KILLS):
        await asyncio.sleep(SETTLED_S)
        while not (leader := await leader_of(cluster)):
            await asyncio.sleep(0.05)
        cluster.kill(leader)
        before = [user.done for user in users]
        while any(user.done == count for user, count in zip(users, before, strict=True)):
            await asyncio.sleep(0.05)
        await asyncio.to_thread(cluster.start)
    await asyncio.sleep(SETTLED_S)


async def run(cluster: LocalCluster) -> tuple[Operation, ...]:
    recorder, ended = Recorder(), asyncio.Event()
    users = [User(number, cluster.endpoints, recorder) for number in range(CLIENTS)]
    async with asyncio.TaskGroup() as tasks:
        for user in users:
            tasks.create_task(user.work(ended))
        tasks.create_task(patiently(disturb(cluster, users), ended))
    return recorder.operations()


def test_clients_of_a_cluster_whose_leader_is_killed_see_one_linearizable_store(
    tmp_path: Path,
) -> None:
    with LocalCluster(tmp_path / "data", 3, free_port()) as cluster:
        history = asyncio.run(run(cluster))
    outcome = check_history(history, KeyValue())
    assert outcome.verdict == "holds", report(outcome)
    assert outcome.operations > 100
    assert {operation.name for operation in history} == set(KeyValue.operations)
    # The same history with one stale answer, to see that it would have been noticed.
    gets = [op for op in history if op.name == "get" and op.result is not None]
    late = gets[-1]
    seen = {op.result for op in gets if op.argument == late.argument and op.result != late.result}
    stale = msgspec.structs.replace(late, result=min(seen, key=lambda item: item[2]))
    wrong = [stale if op is late else op for op in history]
    assert check_history(wrong, KeyValue()).verdict == "violated"
