"""One node, or two, on real sockets; what leaves, what waits for the disk, and what stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from quorate.kernel import (
    Actor,
    Context,
    Fact,
    Message,
    NodeId,
    ProtocolBug,
    Stable,
    StorageError,
    Timed,
    UsageError,
)
from quorate.runtime import Address, Node, Transport, Wal, run, verify
from runtime.parts import (
    CLUSTER,
    Ask,
    Box,
    Confirmed,
    FakeDisk,
    Glance,
    Put,
    Saved,
    Stored,
    after,
    free_addresses,
)


class Watch:
    """The facts that nodes state and how they end, and a way to wait for them."""

    def __init__(self) -> None:
        self.facts: list[tuple[NodeId, Fact]] = []
        self.stops: list[BaseException | None] = []
        self._changed = asyncio.Event()

    def on_fact(self, role: NodeId, fact: Fact) -> None:
        self.facts.append((role, fact))
        self._changed.set()

    def on_stop(self, error: BaseException | None) -> None:
        self.stops.append(error)
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


def node_of(
    actor: Actor,
    root: Path,
    watch: Watch,
    peers: dict[NodeId, Address] | None = None,
    disk: FakeDisk | None = None,
    record: Path | None = None,
) -> Node:
    return Node(
        actor,
        directory=root / actor.me,
        cluster=CLUSTER,
        peers=peers or {},
        listen=(peers or {}).get(actor.me, ("127.0.0.1", 0)),
        on_fact=watch.on_fact,
        on_stop=watch.on_stop,
        disk=disk or FakeDisk(),
        record=record,
    )


def play(main: Callable[[Watch], Coroutine[Any, Any, None]]) -> Watch:
    """Run `main` on the loop that nodes run on."""

    async def body() -> Watch:
        watch = Watch()
        await main(watch)
        return watch

    return run(body())


def test_steps_that_meet_in_a_tick_share_one_force_and_state_their_facts_after_it(
    tmp_path: Path,
) -> None:
    disk = FakeDisk()

    async def main(watch: Watch) -> None:
        node = node_of(Box("a"), tmp_path, watch, disk=disk)
        await node.start()
        before = disk.syncs
        for key in range(10):
            node.submit("user", Put(key, b"v"))
        assert watch.facts == []
        await watch.until(lambda: len(watch.facts) == 10)
        assert disk.syncs == before + 1
        await node.stop()

    watch = play(main)
    assert watch.facts == [("a", Saved(key, key + 1)) for key in range(10)]
    assert watch.stops == [None]


def test_a_stopped_node_comes_back_with_all_it_had_even_unforced(tmp_path: Path) -> None:
    async def main(watch: Watch) -> None:
        node = node_of(Box("a"), tmp_path, watch)
        await node.start()
        node.submit("user", Put(1, b"one"))
        node.submit("user", Glance())
        await node.stop()
        again = node_of(Box("a"), tmp_path, watch)
        await again.start()
        assert again.actor == after(Box("a"), Put(1, b"one"), Glance())
        await again.stop()

    play(main)


def test_two_nodes_talk_and_a_force_comes_before_the_reply(tmp_path: Path) -> None:
    peers = free_addresses("a", "b")
    disk = FakeDisk()

    async def main(watch: Watch) -> None:
        a = node_of(Box("a"), tmp_path, watch, peers)
        b = node_of(Box("b"), tmp_path, watch, peers, disk)
        await b.start()
        await a.start()
        before = disk.syncs
        a.submit("user", Ask("b", 7))
        await watch.until(lambda: ("a", Confirmed("b", 7)) in watch.facts)
        assert disk.syncs == before + 1
        await a.stop()
        await b.stop()

    watch = play(main)
    assert watch.facts == [("b", Saved(7, 1)), ("a", Confirmed("b", 7))]


@pytest.mark.parametrize("fault", ["fail_sync", "fail_write"])
def test_a_disk_fault_stops_the_node_and_nothing_that_was_not_forced_leaves(
    tmp_path: Path, fault: str
) -> None:
    peers = free_addresses("a", "b")
    disk = FakeDisk()

    async def main(watch: Watch) -> None:
        a = node_of(Box("a"), tmp_path, watch, peers)
        b = node_of(Box("b"), tmp_path, watch, peers, disk)
        await b.start()
        await a.start()
        a.submit("user", Ask("b", 1))
        await watch.until(lambda: ("a", Confirmed("b", 1)) in watch.facts)
        setattr(disk, fault, True)
        a.submit("user", Ask("b", 2))
        await watch.until(lambda: bool(watch.stops))
        setattr(disk, fault, False)
        a.submit("user", Ask("b", 3))
        b.submit("user", Put(4, b"ignored"))
        await a.stop()
        assert a.transport.counts["messages received"] == 1

    watch = play(main)
    assert watch.facts == [("b", Saved(1, 1)), ("a", Confirmed("b", 1))]
    assert isinstance(watch.stops[0], StorageError)
    assert len(watch.stops) == 2


def test_a_full_disk_at_compaction_stops_the_node_and_loses_nothing(tmp_path: Path) -> None:
    disk = FakeDisk()

    async def main(watch: Watch) -> None:
        node = node_of(Box("a"), tmp_path, watch, disk=disk)
        await node.start()
        node.submit("user", Put(1, b"one"))
        await watch.until(lambda: bool(watch.facts))
        disk.fail_write = True
        node.compact()
        assert isinstance(watch.stops[0], StorageError)

    play(main)
    wal = Wal(tmp_path / "a", cluster=CLUSTER.id, boot=Box("a"))
    assert wal.actor == after(Box("a"), Put(1, b"one"))
    wal.close()


def test_compaction_shortens_the_log_and_releases_what_it_made_durable(tmp_path: Path) -> None:
    async def main(watch: Watch) -> None:
        node = node_of(Box("a"), tmp_path, watch)
        await node.start()
        for key in range(200):
            node.submit("user", Put(key % 2, b"v" * 20))
        await watch.until(lambda: len(watch.facts) == 200)
        long = node.log_bytes
        node.submit("user", Put(1, b"last"))
        node.compact()
        assert node.log_bytes < long / 10
        await watch.until(lambda: len(watch.facts) == 201)
        await node.stop()

    play(main)
    wal = Wal(tmp_path / "a", cluster=CLUSTER.id, boot=Box("a"))
    assert isinstance(wal.actor, Box)
    assert (wal.actor.entries[1], wal.actor.count) == (b"last", 201)
    wal.close()


def test_a_node_does_not_take_a_message_in_the_name_of_another(tmp_path: Path) -> None:
    peers = free_addresses("a", "b")

    async def main(watch: Watch) -> None:
        b = node_of(Box("b"), tmp_path, watch, peers)
        await b.start()
        a = Transport(
            "a", CLUSTER, peers, peers["a"], messages=(Stored,), receive=lambda peer, items: None
        )
        await a.start()
        a.send("b", "c", "b", Put(1, b"in the name of c"))
        a.send("b", "a", "c", Put(2, b"to a role that is not here"))
        a.send("b", "a", "b", Put(3, b"good"))
        a.flush()
        await watch.until(lambda: bool(watch.facts))
        assert watch.facts == [("b", Saved(3, 1))]
        assert b.transport.counts["a message from a role that lives elsewhere"] == 1
        assert b.transport.counts["a message to a role that lives elsewhere"] == 1
        await a.stop()
        await b.stop()

    play(main)


class Step(Message, frozen=True):
    label: str


class Seen(Fact, frozen=True):
    label: str


class Echoing(Actor):
    """States every label; "first" is also sent to itself as "echo", after a durable change."""

    count: Stable[int] = 0

    def on_step(self, ctx: Context, src: NodeId, m: Step) -> None:
        if m.label == "first":
            self.count += 1
            ctx.send(self.me, Step("echo"))
        ctx.output(Seen(m.label))


def test_a_message_to_itself_waits_for_the_force_and_then_comes_before_anything_else(
    tmp_path: Path,
) -> None:
    async def main(watch: Watch) -> None:
        node = node_of(Echoing("a"), tmp_path, watch)
        await node.start()
        node.submit("user", Step("first"))
        node.submit("user", Step("while the disk is busy"))
        await watch.until(lambda: len(watch.facts) == 3)
        await node.stop()

    watch = play(main)
    assert [fact for _, fact in watch.facts] == [
        Seen("first"),
        Seen("while the disk is busy"),
        Seen("echo"),
    ]


class Breaks(Actor):
    """Fails its invariant."""

    def on_step(self, ctx: Context, src: NodeId, m: Step) -> None:
        ctx.output(Seen("never"))
        assert m.label == "good"


def test_a_broken_protocol_stops_the_node_without_a_trace_of_the_step(tmp_path: Path) -> None:
    async def main(watch: Watch) -> None:
        node = node_of(Breaks("a"), tmp_path, watch)
        await node.start()
        node.submit("user", Step("bad"))
        node.submit("user", Step("good"))

    watch = play(main)
    assert watch.facts == []
    (error,) = watch.stops
    assert isinstance(error, ProtocolBug)
    assert "Step" in str(error)


class Chooser(Timed):
    """Draws, sets timers, and looks at its clock."""

    def on_start(self, ctx: Context, recovered: bool) -> None:
        assert ctx.at_ms > 0
        ctx.choose("coin", (0, 1))
        ctx.set_timer("cancelled", (1, 1))
        ctx.set_timer("late", (2, 2))
        ctx.set_timer("early", (3, 5))
        ctx.set_timer("late", (40, 40))
        ctx.cancel_timer("cancelled")
        ctx.cancel_timer("never set")

    def on_step(self, ctx: Context, src: NodeId, m: Step) -> None:
        ctx.ignore("nothing to do")

    def on_timer(self, ctx: Context, timer: str) -> None:
        ctx.output(Seen(timer))

    def on_choice(self, ctx: Context, key: str, value: int | str) -> None:
        assert value in (0, 1)
        ctx.output(Seen(key))


def test_choices_come_at_once_and_timers_fire_once_in_order_unless_cancelled(
    tmp_path: Path,
) -> None:
    async def main(watch: Watch) -> None:
        node = node_of(Chooser("a"), tmp_path, watch, record=tmp_path / "trace")
        await node.start()
        await watch.until(lambda: len(watch.facts) == 3)
        await node.stop()

    watch = play(main)
    assert [fact for _, fact in watch.facts] == [Seen("coin"), Seen("early"), Seen("late")]
    assert verify(Chooser("a"), tmp_path / "trace").steps == 4


def test_a_recording_that_began_with_recovery_verifies_and_a_changed_one_does_not(
    tmp_path: Path,
) -> None:
    async def main(watch: Watch) -> None:
        for life in range(2):
            node = node_of(Box("a"), tmp_path, watch, record=tmp_path / f"{life}.trace")
            await node.start()
            for key in range(5):
                node.submit("user", Put(key, bytes([life, key, 200])))
            await node.stop()

    play(main)
    path = tmp_path / "1.trace"
    assert verify(Box("a"), path).steps == 6
    assert verify(Box("a"), path).holds
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3] + lines[4:]))
    assert verify(Box("a"), path).differs_at == 2
    with pytest.raises(UsageError, match="not a recording of node 'b'"):
        verify(Box("b"), path)


def test_a_recording_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "trace").write_text("precious")

    async def main(watch: Watch) -> None:
        node = node_of(Box("a"), tmp_path, watch, record=tmp_path / "trace")
        with pytest.raises(UsageError, match="name a new file"):
            await node.start()
        again = node_of(Box("a"), tmp_path, watch)
        await again.start()  # the first has let go of the directory
        await again.stop()

    play(main)
    assert (tmp_path / "trace").read_text() == "precious"


def test_an_address_in_use_is_an_error_of_the_user_and_lets_go_of_the_directory(
    tmp_path: Path,
) -> None:
    peers = free_addresses("a")

    async def main(watch: Watch) -> None:
        first = node_of(Box("a"), tmp_path / "1", watch, peers)
        await first.start()
        second = node_of(Box("a"), tmp_path / "2", watch, peers)
        with pytest.raises(UsageError, match="cannot listen on"):
            await second.start()
        await first.stop()
        second = node_of(Box("a"), tmp_path / "2", watch, peers)
        await second.start()
        await second.stop()

    play(main)


def test_a_role_that_the_node_does_not_have_is_refused_by_name(tmp_path: Path) -> None:
    async def main(watch: Watch) -> None:
        node = node_of(Box("a"), tmp_path, watch)
        await node.start()
        with pytest.raises(UsageError, match="no role 'b'"):
            node.submit("user", Glance(), role="b")
        await node.stop()

    play(main)
