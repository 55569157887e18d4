"""Links without I/O: only what the peer sent, once, in order, reaches the other end."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.kernel import BadMessage, NodeId, UsageError
from quorate.runtime.link import Cluster, Link
from runtime.parts import CLUSTER

PEERS = frozenset({"a", "b", "c"})
LIMIT = 10_000


def link(me: NodeId, dial: NodeId | None = None, cluster: Cluster = CLUSTER) -> Link:
    return Link(me, cluster, PEERS - {me}, dial=dial, frame_bytes_max=LIMIT)


def receive(link: Link, data: bytes) -> list[bytes]:
    """The bodies in `data`."""
    return list(map(bytes, link.receive(data)))


def connect(dialer: Link, listener: Link) -> None:
    """Let the two shake hands."""
    for _ in range(2):
        receive(listener, dialer.take_reply())
        receive(dialer, listener.take_reply())


def pair() -> tuple[Link, Link]:
    dialer, listener = link("a", dial="b"), link("b")
    connect(dialer, listener)
    return dialer, listener


def test_both_ends_of_a_good_handshake_are_open_and_know_each_other() -> None:
    dialer, listener = pair()
    assert dialer.open
    assert listener.open
    assert (dialer.peer, listener.peer) == ("b", "a")


def test_bodies_arrive_in_both_directions_and_in_order() -> None:
    dialer, listener = pair()
    frames = dialer.seal([b"one"]) + dialer.seal([b"t", b"wo"])
    assert receive(listener, frames) == [b"one", b"two"]
    assert receive(dialer, listener.seal([b"three"])) == [b"three"]


@given(st.lists(st.binary(max_size=300), max_size=8), st.lists(st.integers(1, 400), min_size=1))
def test_bodies_do_not_depend_on_how_the_bytes_are_split(
    bodies: list[bytes], sizes: list[int]
) -> None:
    dialer, listener = pair()
    stream = b"".join(dialer.seal([body]) for body in bodies)
    arrived, turn = [], 0
    while stream:
        size = sizes[turn % len(sizes)]
        turn += 1
        arrived += receive(listener, stream[:size])
        stream = stream[size:]
    assert arrived == bodies


@pytest.mark.parametrize("at", range(4 + 16 + 7))
def test_a_frame_with_one_bit_changed_anywhere_is_not_accepted(at: int) -> None:
    dialer, listener = pair()
    frame = bytearray(dialer.seal([b"seven.."]) + dialer.seal([b"behind it"]))
    frame[at] ^= 1
    with pytest.raises(BadMessage):
        receive(listener, bytes(frame) + bytes(300))


def test_a_repeated_frame_is_not_accepted() -> None:
    dialer, listener = pair()
    frame = dialer.seal([b"pay once"])
    assert len(receive(listener, frame)) == 1
    with pytest.raises(BadMessage, match="does not verify"):
        receive(listener, frame)


def test_a_frame_after_one_that_was_left_out_is_not_accepted() -> None:
    dialer, listener = pair()
    dialer.seal([b"left out"])
    with pytest.raises(BadMessage, match="does not verify"):
        receive(listener, dialer.seal([b"next"]))


def test_a_frame_sent_back_to_its_sender_is_not_accepted() -> None:
    dialer, _ = pair()
    with pytest.raises(BadMessage, match="does not verify"):
        receive(dialer, dialer.seal([b"mirror"]))


def test_a_frame_of_another_connection_is_not_accepted() -> None:
    dialer, _ = pair()
    _, listener = pair()
    with pytest.raises(BadMessage, match="does not verify"):
        receive(listener, dialer.seal([b"from elsewhere"]))


def test_a_whole_connection_cannot_be_replayed() -> None:
    dialer, listener = link("a", dial="b"), link("b")
    hello = dialer.take_reply()
    receive(listener, hello)
    receive(dialer, listener.take_reply())
    confirm = dialer.take_reply()
    again = link("b")
    receive(again, hello)
    with pytest.raises(BadMessage, match="another secret"):
        receive(again, confirm)


def test_another_secret_is_found_out_by_both_ends() -> None:
    other = Cluster(CLUSTER.id, b"quite another secret of theirs")
    dialer, listener = link("a", dial="b", cluster=other), link("b")
    receive(listener, dialer.take_reply())
    with pytest.raises(BadMessage, match="another secret"):
        receive(dialer, listener.take_reply())
    hello = link("a", dial="b", cluster=other)
    stranger = link("b", cluster=other)
    receive(stranger, hello.take_reply())
    receive(hello, stranger.take_reply())
    target = link("b")
    receive(target, link("a", dial="b", cluster=CLUSTER).take_reply())
    with pytest.raises(BadMessage, match="another secret"):
        receive(target, hello.take_reply())


@pytest.mark.parametrize(
    ("dialer", "reason"),
    [
        (link("a", dial="b", cluster=Cluster("other", CLUSTER.secret)), "another cluster"),
        (link("a", dial="c"), "meant for another node"),
        (link("x", dial="b"), "not a peer"),
        (link("b", dial="b"), "not a peer"),
    ],
)
def test_a_hello_of_the_wrong_node_is_refused(dialer: Link, reason: str) -> None:
    with pytest.raises(BadMessage, match=reason):
        receive(link("b"), dialer.take_reply())


@pytest.mark.parametrize("open_first", [False, True])
def test_an_oversized_frame_is_refused_from_its_first_four_bytes(open_first: bool) -> None:
    listener = pair()[1] if open_first else link("b")
    limit = LIMIT if open_first else 1024
    with pytest.raises(BadMessage, match=f"more than {limit} bytes"):
        receive(listener, (limit + 1).to_bytes(4))


@settings(max_examples=200)
@given(st.binary(max_size=200), st.booleans(), st.booleans())
def test_garbage_is_a_bad_message_or_not_enough_and_nothing_else(
    garbage: bytes, framed: bool, open_first: bool
) -> None:
    listener = pair()[1] if open_first else link("b")
    with contextlib.suppress(BadMessage):
        assert receive(listener, len(garbage).to_bytes(4) + garbage if framed else garbage) == []


def test_a_short_secret_is_refused_and_a_secret_is_never_shown() -> None:
    with pytest.raises(UsageError, match="has 5 bytes; give it 16 or more"):
        Cluster("c", b"short")
    assert "secret" not in repr(Cluster("c", b"a secret that is long"))
