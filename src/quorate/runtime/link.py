"""One authenticated connection between two nodes, without I/O: bytes in, frames out.

    dialer   → hello    version, cluster, dialer, listener, nonce
    listener → welcome  nonce, proof that it knows the secret
    dialer   → confirm  proof that it does too
    both     → frames   length 4 | MAC 16 | body

Every proof and key is a BLAKE2b keyed by the secret of the two over all of the hello and both
nonces, with a label of its own; each direction has its own key, and each MAC covers the number of
the frame. A frame that was changed, repeated, left out, reflected, or taken from another connection
does not verify, and ends the connection. Nothing is encrypted.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
import struct
from collections.abc import Iterator, Mapping

import msgspec

from quorate.kernel import BadMessage, NodeId, UsageError

VERSION = 1
HANDSHAKE_BYTES_MAX = 1024
SECRET_BYTES_MIN = 16
MAC_BYTES = 16

_LENGTH = struct.Struct(">I")
_NUMBER = struct.Struct(">Q")


class Cluster(msgspec.Struct, frozen=True):
    """Nodes of one cluster share its name and a secret, and take nobody else's word.

    One secret for all is enough where no node lies. With `pairs`, a secret for each other node, no
    node can pass for another.
    """

    id: str
    secret: bytes = b""
    pairs: Mapping[NodeId, bytes] = {}

    def __post_init__(self) -> None:
        for secret in self.pairs.values() or (self.secret,):
            if len(secret) < SECRET_BYTES_MIN:
                raise UsageError(
                    f"the secret of cluster {self.id!r} has {len(secret)} bytes; give it "
                    f"{SECRET_BYTES_MIN} or more, from secrets.token_bytes(32)"
                )

    def secret_with(self, peer: NodeId) -> bytes:
        """What only this node and `peer` know; or, without pairs, the cluster. Raises BadMessage
        when that is nothing."""
        secret = self.pairs.get(peer, b"") if self.pairs else self.secret
        if not secret:
            raise BadMessage("a node that shares no secret with this one")
        return secret

    def __repr__(self) -> str:
        return f"Cluster({self.id!r})"


class _Hello(msgspec.Struct, frozen=True, array_like=True):
    version: int
    cluster: str
    dialer: NodeId
    listener: NodeId
    nonce: bytes


class _Welcome(msgspec.Struct, frozen=True, array_like=True):
    nonce: bytes
    proof: bytes


class _Confirm(msgspec.Struct, frozen=True, array_like=True):
    proof: bytes


class _Stage(enum.Enum):
    HELLO = "hello"
    WELCOME = "welcome"
    CONFIRM = "confirm"
    OPEN = "open"


class Link:
    """One end of a connection; `peer` is set for the one who dials, found out by the other.

    Whenever `receive` has been gone through, send what `take_reply` gives. A BadMessage means:
    hang up.
    """

    def __init__(
        self,
        me: NodeId,
        cluster: Cluster,
        peers: frozenset[NodeId],
        *,
        dial: NodeId | None = None,
        frame_bytes_max: int,
    ) -> None:
        self.me = me
        self.peer = dial or ""
        self._peers = peers
        self._cluster = cluster
        self._frame_bytes_max = frame_bytes_max
        self._stage = _Stage.HELLO
        self._hello = b""
        self._transcript = b""
        self._proof = b""
        self._reply: list[bytes] = []
        self._partial = bytearray()
        self._needed = 0
        self._sent = self._received = 0
        if dial:
            hello = _Hello(VERSION, cluster.id, me, dial, secrets.token_bytes(32))
            self._hello = msgspec.msgpack.encode(hello)
            self._answer(self._hello)
            self._stage = _Stage.WELCOME

    @property
    def open(self) -> bool:
        """Whether both ends have proved that they know the secret."""
        return self._stage is _Stage.OPEN

    def take_reply(self) -> bytes:
        """What the handshake wants sent, possibly nothing."""
        reply, self._reply = b"".join(self._reply), []
        return reply

    def receive(self, data: bytes) -> Iterator[memoryview]:
        """The bodies that `data` completes. Raises BadMessage, after those that came before it,
        for whatever a peer may not send."""
        if self._partial:
            self._partial += data
            if len(self._partial) < self._needed:
                return
            data, self._partial = bytes(self._partial), bytearray()
        view, at, end = memoryview(data), 0, len(data)
        while at < end:
            # Judged from its first bytes, before anything is kept for it.
            size = self._frame_size(view[at : at + _LENGTH.size])
            if end - at < size:
                self._partial, self._needed = bytearray(view[at:]), size
                return
            frame = view[at + _LENGTH.size : at + size]
            at += size
            if self._stage is _Stage.OPEN:
                yield self._verify(frame)
            else:
                self._shake(bytes(frame))

    def seal(self, body: list[bytes]) -> bytes:
        """The frame for a body given in pieces; frames must be sent in the order of sealing."""
        mac = self._outgoing.copy()
        mac.update(_NUMBER.pack(self._sent))
        self._sent += 1
        length = MAC_BYTES
        for piece in body:
            mac.update(piece)
            length += len(piece)
        return b"".join((_LENGTH.pack(length), mac.digest(), *body))

    def _frame_size(self, head: memoryview) -> int:
        if len(head) < _LENGTH.size:
            return _LENGTH.size
        length: int = _LENGTH.unpack(head)[0]
        limit = HANDSHAKE_BYTES_MAX if not self.open else self._frame_bytes_max
        if length > limit:
            raise BadMessage(f"a frame of more than {limit} bytes")
        return _LENGTH.size + length

    def _verify(self, frame: memoryview) -> memoryview:
        body = frame[MAC_BYTES:]
        mac = self._incoming.copy()
        mac.update(_NUMBER.pack(self._received))
        self._received += 1
        mac.update(body)
        if not hmac.compare_digest(mac.digest(), frame[:MAC_BYTES]):
            raise BadMessage("a frame that does not verify")
        return body

    def _answer(self, frame: bytes) -> None:
        self._reply.append(_LENGTH.pack(len(frame)) + frame)

    def _shake(self, frame: bytes) -> None:
        try:
            if self._stage is _Stage.HELLO:
                self._on_hello(frame, msgspec.msgpack.decode(frame, type=_Hello))
            elif self._stage is _Stage.WELCOME:
                self._on_welcome(msgspec.msgpack.decode(frame, type=_Welcome))
            else:
                self._on_confirm(msgspec.msgpack.decode(frame, type=_Confirm))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BadMessage("a handshake that is not one of ours") from error

    def _on_hello(self, frame: bytes, hello: _Hello) -> None:
        if hello.version != VERSION:
            raise BadMessage("a peer with another version of the protocol")
        if hello.cluster != self._cluster.id:
            raise BadMessage("a node of another cluster")
        if hello.listener != self.me:
            raise BadMessage("a connection that was meant for another node")
        if hello.dialer not in self._peers:
            raise BadMessage("a node that is not a peer")
        self.peer = hello.dialer
        nonce = secrets.token_bytes(32)
        self._transcript, self._hello = frame + nonce, b""
        self._answer(msgspec.msgpack.encode(_Welcome(nonce, self._derive(b"listener"))))
        self._stage = _Stage.CONFIRM

    def _on_welcome(self, welcome: _Welcome) -> None:
        self._transcript = self._hello + welcome.nonce
        if not hmac.compare_digest(welcome.proof, self._derive(b"listener")):
            raise BadMessage("a node with another secret")
        self._answer(msgspec.msgpack.encode(_Confirm(self._derive(b"dialer"))))
        self._start(b"to listener", b"to dialer")

    def _on_confirm(self, confirm: _Confirm) -> None:
        if not hmac.compare_digest(confirm.proof, self._derive(b"dialer")):
            raise BadMessage("a node with another secret")
        self._start(b"to dialer", b"to listener")

    def _start(self, outgoing: bytes, incoming: bytes) -> None:
        self._outgoing = _mac(self._derive(outgoing))
        self._incoming = _mac(self._derive(incoming))
        self._stage = _Stage.OPEN

    def _derive(self, label: bytes) -> bytes:
        master = hashlib.blake2b(
            self._cluster.secret_with(self.peer), digest_size=32, person=b"quorate link"
        ).digest()
        return hashlib.blake2b(self._transcript, digest_size=32, key=master, person=label).digest()


def _mac(key: bytes) -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=MAC_BYTES, key=key)
