"""Transports on loopback: strangers are dropped and counted while the healthy peers go on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from quorate.kernel import NodeId
from quorate.runtime import Address, Cluster, Limits, Transport, run
from quorate.runtime.link import Link
from quorate.runtime.transport import Item
from runtime.parts import CLUSTER, Glance, Put, Stored, free_addresses

ELSEWHERE = Cluster("elsewhere", CLUSTER.secret)
FAST = Limits(redial_s=(0.01, 0.02), frame_bytes=2000, queue_bytes=1000)


class Inbox:
    """What a transport received, and a way to wait for some number of messages."""

    def __init__(self) -> None:
        self.items: list[tuple[NodeId, Item]] = []
        self._changed = asyncio.Event()

    def receive(self, peer: NodeId, items: list[Item]) -> None:
        self.items += [(peer, item) for item in items]
        self._changed.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.items) < count:
                self._changed.clear()
                await self._changed.wait()


def transport_of(
    me: NodeId, peers: dict[NodeId, Address], inbox: Inbox, cluster: Cluster = CLUSTER
) -> Transport:
    return Transport(
        me,
        cluster,
        peers,
        peers[me],
        messages=(Put, Stored),
        receive=inbox.receive,
        limits=FAST,
    )


def with_pair(
    main: Callable[[Transport, Transport, Inbox, dict[NodeId, Address]], Coroutine[Any, Any, None]],
) -> None:
    """Run `main` with transports of a and b, and what b received, once they are connected."""

    async def body() -> None:
        peers = free_addresses("a", "b", "c")
        inbox = Inbox()
        a, b = transport_of("a", peers, Inbox()), transport_of("b", peers, inbox)
        await b.start()
        await a.start()
        await say(a, inbox, "hello")
        await main(a, b, inbox, peers)
        await a.stop()
        await b.stop()

    run(body())


async def say(a: Transport, inbox: Inbox, text: str) -> None:
    """Send one message from a to b, and see it arrive."""
    count = len(inbox.items)
    a.send("b", "a", "b", Put(1, text.encode()))
    a.flush()
    await inbox.until(count + 1)
    assert inbox.items[-1] == ("a", ("a", "b", Put(1, text.encode())))


async def rejected(transport: Transport, reason: str) -> None:
    """Wait until something was dropped for that reason."""
    async with asyncio.timeout(20):
        while not any(reason in said for said in transport.counts):
            await asyncio.sleep(0.001)


async def until_hung_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """What comes before the other end hangs up."""
    answer = b""
    with contextlib.suppress(ConnectionError):  # hanging up on unread data resets the connection
        async with asyncio.timeout(20):
            while data := await reader.read(4096):
                answer += data
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return answer


async def shake(link: Link, address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Dial and prove what `link` can prove."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(link.take_reply())
    async with asyncio.timeout(20):
        assert not list(link.receive(await reader.read(4096)))
    writer.write(link.take_reply())
    return reader, writer


def rogue(peer: NodeId, cluster: Cluster = CLUSTER) -> Link:
    """A node that claims to be `peer` and dials b."""
    return Link(peer, cluster, frozenset({"b"}), dial="b", frame_bytes_max=1 << 20)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "a frame of more than 1024 bytes"),
        (b"\xff\xff\xff\xff", "a frame of more than 1024 bytes"),
        (b"\x00\x00\x00\x03abc", "a handshake that is not one of ours"),
        (rogue("x").take_reply(), "a node that is not a peer"),
        (
            rogue("c", Cluster("elsewhere", CLUSTER.secret)).take_reply(),
            "a node of another cluster",
        ),
    ],
    ids=["another protocol", "a huge frame", "garbage", "an unknown node", "another cluster"],
)
def test_a_stranger_is_dropped_and_counted_and_the_peers_go_on(
    data: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(a: Transport, b: Transport, inbox: Inbox, peers: dict[NodeId, Address]) -> None:
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*peers["b"])
            writer.write(data)
            assert await until_hung_up(reader, writer) == b""
        assert b.counts[reason] == 3
        await say(a, inbox, "still here")

    with caplog.at_level(logging.WARNING):
        with_pair(main)
    assert sum(reason in record.getMessage() for record in caplog.records) == 1


def test_a_node_with_another_secret_gets_nowhere() -> None:
    other = Cluster(CLUSTER.id, b"some other secret than ours")

    async def main(a: Transport, b: Transport, inbox: Inbox, peers: dict[NodeId, Address]) -> None:
        c = transport_of("b", {**peers, "b": ("127.0.0.1", 0)}, Inbox(), other)
        await c.start()
        peers["c"] = c.address
        stranger = Transport(
            "a", other, peers, ("127.0.0.1", 0), messages=(Put,), receive=Inbox().receive
        )
        await stranger.start()
        await rejected(stranger, "a node with another secret")
        assert stranger.counts["links opened"] == 0
        await say(a, inbox, "still here")
        await stranger.stop()
        await c.stop()

    with_pair(main)


PUT = b"\x91\x93\xa1c\xa1b\x83\xa4type\xa3Put\xa3key\x07\xa5value\xc4\x00"
GLANCE = b"\x91\x93\xa1c\xa1b\x81\xa4type\xa6Glance"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (lambda link, good: good, "a frame that does not verify"),
        (lambda link, good: link.seal([b"\xc1\xc1"]), "a frame that is no list of our messages"),
        (lambda link, good: link.seal([GLANCE]), "a frame that is no list of our messages"),
        (lambda link, good: (2001).to_bytes(4), "a frame of more than 2000 bytes"),
    ],
    ids=["repeated", "garbage", "message of another protocol", "oversized"],
)
def test_a_peer_that_sends_a_bad_frame_is_cut_off_and_may_come_back(
    bad: Callable[[Link, bytes], bytes], reason: str
) -> None:
    async def main(a: Transport, b: Transport, inbox: Inbox, peers: dict[NodeId, Address]) -> None:
        for life in range(2):
            link, count = rogue("c"), len(inbox.items)
            reader, writer = await shake(link, peers["b"])
            good = link.seal([PUT])
            writer.write(good + bad(link, good) + link.seal([PUT]))
            await until_hung_up(reader, writer)
            assert b.counts[reason] == life + 1
            assert inbox.items[count:] == [("c", ("c", "b", Put(7, b"")))]
            await say(a, inbox, "still here")

    with_pair(main)


def test_a_flood_of_unproven_connections_is_bounded() -> None:
    async def main(a: Transport, b: Transport, inbox: Inbox, peers: dict[NodeId, Address]) -> None:
        writers = []
        for _ in range(FAST.handshakes + 5):
            _, writer = await asyncio.open_connection(*peers["b"])
            writers.append(writer)
        await rejected(b, "beyond the limit of unproven ones")
        await say(a, inbox, "still here")
        for writer in writers:
            writer.close()

    with_pair(main)


def test_messages_of_one_tick_leave_in_one_frame() -> None:
    async def main(a: Transport, b: Transport, inbox: Inbox, peers: dict[NodeId, Address]) -> None:
        frames, count = a.counts["frames sent"], len(inbox.items)
        for key in range(10):
            a.send("b", "a", "b", Stored(key))
        a.flush()
        await inbox.until(count + 10)
        assert a.counts["frames sent"] == frames + 1
        assert [item[2] for _, item in inbox.items[count:]] == [Stored(key) for key in range(10)]

    with_pair(main)


def test_a_queue_keeps_the_newest_and_a_burst_is_cut_into_frames_that_fit() -> None:
    async def main() -> None:
        peers = free_addresses("a", "b")
        inbox = Inbox()
        a, b = transport_of("a", peers, Inbox()), transport_of("b", peers, inbox)
        await a.start()
        for key in range(20):
            a.send("b", "a", "b", Put(key, bytes(150)))
        a.flush()
        lost = a.counts["messages lost"]
        assert 10 < lost < 20
        await b.start()
        await inbox.until(20 - lost)
        kept = [item[2] for _, item in inbox.items]
        assert kept == [Put(key, bytes(150)) for key in range(lost, 20)]
        a.send("b", "a", "b", Put(99, bytes(1800)))  # more than the queue, less than a frame
        a.send("b", "a", "b", Put(100, bytes(2000)))  # more than a frame
        a.flush()
        await inbox.until(20 - lost + 1)
        assert a.counts["a Put larger than a frame may be"] == 1
        await a.stop()
        await b.stop()

    run(main())


def test_a_message_to_nobody_is_counted() -> None:
    async def main(a: Transport, b: Transport, inbox: Inbox, peers: dict[NodeId, Address]) -> None:
        a.send("z", "a", "z", Glance())
        assert a.counts["no peer is called 'z'"] == 1

    with_pair(main)


def test_a_peer_that_comes_back_is_dialled_again() -> None:
    async def main() -> None:
        peers = free_addresses("a", "b")
        a = transport_of("a", peers, Inbox())
        await a.start()
        for life in range(3):
            inbox = Inbox()
            b = transport_of("b", peers, inbox)
            await b.start()
            async with asyncio.timeout(20):
                while not b.counts["links opened"]:
                    await asyncio.sleep(0.001)
            await say(a, inbox, f"life {life}")
            await b.stop()
        assert a.counts["links opened"] == 3
        await a.stop()

    run(main())
