"""kill -9 at any moment: what a node has stated is there when it comes back."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from pathlib import Path

from quorate.kernel import Fact, NodeId
from quorate.runtime import Node, Wal, run
from runtime.parts import CLUSTER, Box, Put, Saved

LIVES = 6


def test_nothing_that_was_stated_is_lost_by_a_kill(tmp_path: Path) -> None:
    draw = random.Random(1)
    stated = 0
    for _ in range(LIVES):
        with subprocess.Popen(
            [sys.executable, "-m", "runtime.test_kill", str(tmp_path)],
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None
            for _ in range(draw.randrange(1, 400)):
                stated = int(child.stdout.readline())
            child.kill()
            rest = child.stdout.read().split("\n")[:-1]  # a last line may be cut short
            stated = int(rest[-1]) if rest else stated
        wal = Wal(tmp_path, cluster=CLUSTER.id, boot=Box("a"))
        assert isinstance(wal.actor, Box)
        assert wal.actor.count >= stated
        wal.close()
    assert stated > LIVES


def _live(directory: Path) -> None:
    """A node that stores without end, a few entries at a time, and prints what it has stated."""

    async def main() -> None:
        def on_fact(role: NodeId, fact: Fact) -> None:
            assert isinstance(fact, Saved)
            print(fact.count, flush=True)
            if fact.count % 50 == 0:
                node.compact()
            if fact.key % 3 == 0:
                for key in range(fact.key + 1, fact.key + 4):
                    node.submit("user", Put(key % 90, b"v" * (key % 700)))

        node = Node(
            Box("a"),
            directory=directory,
            cluster=CLUSTER,
            peers={},
            listen=("127.0.0.1", 0),
            on_fact=on_fact,
        )
        await node.start()
        node.submit("user", Put(0, b""))
        await asyncio.Event().wait()

    run(main())


if __name__ == "__main__":
    _live(Path(sys.argv[1]))
