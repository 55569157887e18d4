"""Signatures and MACs: what others made with their keys passes, and for whom they made it only."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from typing import Any

import msgspec
import pytest

from quorate.kernel import (
    Actor,
    Authenticated,
    BadMessage,
    Context,
    Message,
    NodeId,
    Receive,
    Signed,
    UsageError,
    messages_of,
)
from quorate.runtime import Address, Cluster, Seals, Transport, run
from quorate.runtime.link import Link
from quorate.runtime.seals import BAD_SIGNATURE, BAD_TAG, carries_proofs, public_of
from quorate.runtime.transport import Item
from runtime.parts import Put, free_addresses

NAMES = ("a", "b", "c")


class Said(Message, frozen=True):
    text: str


class Letter(Message, frozen=True):
    """A proof, beside others, at some depth."""

    proof: Signed[Said] | Authenticated[Said]
    others: tuple[Signed[Said], ...] = ()


def secret(*names: str) -> bytes:
    return hashlib.blake2b("/".join(sorted(names)).encode(), digest_size=32).digest()


PUBLIC = {name: public_of(secret(name)) for name in NAMES}


def seals(me: NodeId, cluster: str = "test", protocol: str = "talk") -> Seals:
    shared = {name: secret(me, name) for name in NAMES}
    return Seals(me, cluster, protocol, signing=secret(me), public=PUBLIC, shared=shared)


def signed(by: str = "a", text: str = "x") -> Letter:
    return Letter(Signed(by, Said(text)))


def macs(by: str = "a", to: tuple[str, ...] = ("b", "c"), text: str = "x") -> Letter:
    return Letter(Authenticated(by, Said(text), to))


def minted(letter: Letter, by: str | None = None) -> Any:
    return seals(by or letter.proof.author).mint(letter)


def changed(letter: Any, **fields: Any) -> Letter:
    return Letter(msgspec.structs.replace(letter.proof, **fields))


@pytest.mark.parametrize("letter", [signed(), macs(), Letter(signed().proof, (signed().proof,))])  # type: ignore[arg-type]
def test_what_arrives_is_the_symbol_that_was_sent(letter: Letter) -> None:
    arrived = seals("b").check(minted(letter))
    assert arrived == letter
    assert hash(arrived) == hash(letter)
    assert seals("c").check(seals("b").mint(arrived)) == letter  # relayed as it came


def test_a_node_mints_nothing_in_the_name_of_another() -> None:
    for letter in (signed("a"), macs("a")):
        forged = minted(letter, by="b")
        with pytest.raises(BadMessage):
            seals("c").check(forged)


@pytest.mark.parametrize(
    "change",
    [
        {"content": Said("y")},
        {"signer": "b"},
        {"signer": "nobody"},
        {"proof": b""},
        {"proof": bytes(64)},
    ],
)
def test_a_signature_under_anything_else_is_dropped(change: dict[str, Any]) -> None:
    with pytest.raises(BadMessage, match=BAD_SIGNATURE):
        seals("b").check(changed(minted(signed()), **change))


def test_a_signature_is_of_one_cluster_and_one_protocol() -> None:
    for where in ({"cluster": "other"}, {"protocol": "other"}):
        with pytest.raises(BadMessage, match=BAD_SIGNATURE):
            seals("b", **where).check(minted(signed()))
        elsewhere = seals("b", **where)
        assert elsewhere.check(minted(macs())) == macs(to=("c",))
        assert elsewhere.counts == {BAD_TAG: 1}


def test_a_bad_tag_takes_its_receiver_out_and_leaves_the_others_in() -> None:
    """The attack by a big MAC: good for some, and bad for others."""
    whole = minted(macs())
    for bad in ((bytes(16), whole.proof.tags[1]), (whole.proof.tags[1],) * 2, (b"", b"")):
        b, c = seals("b"), seals("c")
        arrived = b.check(changed(whole, tags=bad))
        assert arrived == macs(to=("c",))
        assert not arrived.proof.convinces("b")  # type: ignore[attr-defined]
        assert b.counts == {BAD_TAG: 1}
        wanted = macs() if bad[1] == whole.proof.tags[1] else macs(to=("b",))
        assert c.check(changed(whole, tags=bad)) == wanted


def test_a_tag_convinces_no_other_pair_and_not_its_own_sender() -> None:
    """A MAC of another pair, and one's own, sent back."""
    tag = minted(macs("a", ("b",))).proof.tags
    assert seals("b").check(Letter(Authenticated("c", Said("x"), ("b",), tag))) == macs("c", ())
    assert seals("a").check(Letter(Authenticated("b", Said("x"), ("a",), tag))) == macs("b", ())
    assert seals("b").check(Letter(Authenticated("z", Said("x"), ("b",), tag))) == macs("z", ())
    own = minted(macs("a", ("a", "b")))
    assert seals("a").check(own) == macs("a", ("a", "b"))


@pytest.mark.parametrize(
    ("receivers", "tags"), [(("b", "c"), (b"x",)), (("b",), ()), (("b", "b"), (b"x", b"y"))]
)
def test_tags_that_fit_no_receivers_are_dropped(
    receivers: tuple[str, ...], tags: tuple[bytes, ...]
) -> None:
    with pytest.raises(BadMessage, match="does not verify"):
        seals("b").check(Letter(Authenticated("a", Said("x"), receivers, tags)))


class Reader(Actor):
    def on_letter(self, ctx: Context, src: NodeId, m: Letter) -> None:
        """Takes them."""

    def on_put(self, ctx: Context, src: NodeId, m: Put) -> None:
        """And what has no proof in it."""


def test_messages_with_proofs_need_keys() -> None:
    kinds = messages_of((Reader("a"),))
    assert carries_proofs(kinds) == (Letter,)
    with pytest.raises(UsageError, match=r"needs keys: signatures or MACs are in its Letter"):
        Transport("a", Cluster("c", secret("c")), {}, None, messages=kinds, receive=print)
    with pytest.raises(UsageError, match="a key of a has 5 bytes, not 32"):
        Seals("a", "c", "p", signing=b"short", public={}, shared={})


def test_a_step_takes_the_same_whatever_proves_a_message() -> None:
    one, other = Reader("b"), Reader("b")
    arrived = seals("b").check(minted(signed()))
    assert one.step(Receive("a", arrived)) == other.step(Receive("a", signed()))


# Links by pairs of keys: a traitor has its own keys, and no others'.


def pairwise(me: NodeId) -> Cluster:
    return Cluster("test", pairs={name: secret(me, name) for name in NAMES if name != me})


def link(me: NodeId, dial: NodeId | None = None, keys: Cluster | None = None) -> Link:
    peers = frozenset(NAMES) - {me}
    return Link(me, keys or pairwise(me), peers, dial=dial, frame_bytes_max=10_000)


def shake(dialer: Link, listener: Link) -> None:
    for _ in range(2):
        list(listener.receive(dialer.take_reply()))
        list(dialer.receive(listener.take_reply()))


def test_two_that_share_a_key_connect() -> None:
    for me, other in itertools.combinations(NAMES, 2):
        dialer, listener = link(me, dial=other), link(other)
        shake(dialer, listener)
        assert [bytes(b) for b in listener.receive(dialer.seal([b"x"]))] == [b"x"]


def test_a_node_with_its_own_keys_cannot_pass_for_another() -> None:
    with pytest.raises(BadMessage, match="another secret"):  # b says that it is a, to c
        shake(link("a", dial="c", keys=pairwise("b")), link("c"))
    with pytest.raises(BadMessage, match="another secret"):  # b answers in the place of c
        shake(link("a", dial="c"), link("c", keys=pairwise("b")))
    keyless = Cluster("test", pairs={"c": secret("b", "c")})
    with pytest.raises(BadMessage, match="shares no secret"):
        shake(link("a", dial="b"), link("b", keys=keyless))


def test_messages_whose_proofs_fail_are_dropped_and_counted_and_others_arrive() -> None:
    """Also on a connection that is authentic: its node is a traitor, or passes on a traitor's."""

    async def body() -> None:
        arrived: list[Item] = []
        enough = asyncio.Event()

        def receive(peer: NodeId, items: list[Item]) -> None:
            arrived.extend(items)
            if items and items[-1][2] == signed(text="last"):
                enough.set()

        addresses: dict[NodeId, Address | None] = dict(free_addresses("b"))
        kinds = messages_of((Reader("a"),))
        b = Transport(
            "b", pairwise("b"), {"a": None}, addresses["b"],
            messages=kinds, receive=receive, seals=seals("b"),
        )  # fmt: skip
        a = Transport(
            "a", pairwise("a"), addresses, None,
            messages=kinds, receive=receive, seals=seals("a"),
        )  # fmt: skip
        await b.start()
        await a.start()
        forged = (signed("c"), changed(minted(signed("c")), content=Said("y")))
        stripped = changed(minted(macs("c", ("b",))), tags=(bytes(16),))
        for message in (signed(text="first"), *forged, stripped, Put(1, b""), signed(text="last")):
            a.send("b", "a", "b", message)
        a.flush()
        async with asyncio.timeout(20):
            await enough.wait()
        told = [item[2] for item in arrived]
        first, last = signed(text="first"), signed(text="last")
        assert told == [first, macs("c", ()), Put(1, b""), last]
        assert (b.counts[BAD_SIGNATURE], b.counts[BAD_TAG]) == (2, 1)
        assert a.sent == {"Letter": 5, "Put": 1}
        await a.stop()
        await b.stop()

    run(body())
