"""Nodes in one process, on real sockets and disks."""

from __future__ import annotations

import asyncio
from pathlib import Path

from quorate.kernel import Fact, NodeId, Process
from quorate.properties.consensus import Decided
from quorate.protocols.paxos import colocated
from quorate.runtime import Node, run, verify
from runtime.parts import CLUSTER, free_addresses


def test_three_nodes_decide_over_tcp_and_their_recordings_repeat(tmp_path: Path) -> None:
    world = colocated(rounds=100)
    names = [process.me for process in world.processes]
    hosts = {
        role.me: process.me
        for process in world.processes
        if isinstance(process, Process)
        for role in process.actors
    }
    decided: dict[NodeId, str] = {}

    async def main() -> None:
        all_decided = asyncio.Event()

        def on_fact(role: NodeId, fact: Fact) -> None:
            if isinstance(fact, Decided):
                decided[role] = fact.value
                if decided.keys() >= {"l1", "l2", "l3"}:
                    all_decided.set()

        peers = free_addresses(*names)
        nodes = [
            Node(
                process,
                directory=tmp_path / process.me,
                cluster=CLUSTER,
                peers=peers,
                listen=peers[process.me],
                on_fact=on_fact,
                record=tmp_path / f"{process.me}.trace",
                hosts=hosts,
            )
            for process in world.processes
        ]
        for node in nodes:
            await node.start()
        async with asyncio.timeout(20):
            await all_decided.wait()
        for node in nodes:
            await node.stop()

    run(main())
    assert len(set(decided.values())) == 1
    for process in world.processes:
        verification = verify(process, tmp_path / f"{process.me}.trace")
        assert verification.holds
        assert verification.steps >= 2  # a start, and a message that decided
