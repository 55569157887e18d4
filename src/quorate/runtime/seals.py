"""Real signatures and MACs in place of the kernel's symbols, on the way out and on the way in.

`Signed` carries an Ed25519 signature; `Authenticated` one BLAKE2b tag for each receiver, with the
key that its sender shares with that one. Both cover the cluster, the protocol and the sender, and a
tag its receiver, so that none passes elsewhere, for another, or sent back. A node mints what is its
own as it leaves, and passes on what others made as it is.

Actors see the same symbols as in the simulator. A message with a signature that does not verify is
dropped; of an authenticator whose tag for this node does not verify, what is left is one that is
not for this node: it may still convince others, and others may vouch for it.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import types
import typing
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from quorate.kernel import (
    Authenticated,
    BadMessage,
    Map,
    Message,
    NodeId,
    Signed,
    UsageError,
    encode_hook,
)

KEY_BYTES = 32
TAG_BYTES = 16
BAD_TAG = "an authenticator whose tag for this node does not verify"
BAD_SIGNATURE = "a message with a signature that does not verify"

_ENCODER = msgspec.msgpack.Encoder(enc_hook=encode_hook, order="deterministic")
Proof = Signed[Any] | Authenticated[Any]
Change = Callable[[Proof], Proof]


def public_of(signing: bytes) -> bytes:
    """The public key that goes with a private one; 32 bytes both."""
    return Ed25519PrivateKey.from_private_bytes(signing).public_key().public_bytes_raw()


class Seals:
    """What node `me` mints and verifies with, in one cluster that runs one protocol.

    `signing` is its private key, `public` holds everyone's public keys, `shared` the key that it
    shares with each other node, and one that it keeps to itself; 32 bytes each. `counts` gets what
    did not verify. Raises UsageError for keys that are none.
    """

    def __init__(
        self,
        me: NodeId,
        cluster: str,
        protocol: str,
        *,
        signing: bytes,
        public: Mapping[NodeId, bytes],
        shared: Mapping[NodeId, bytes],
    ) -> None:
        for key in (signing, *public.values(), *shared.values()):
            if len(key) != KEY_BYTES:
                raise UsageError(f"a key of {me} has {len(key)} bytes, not {KEY_BYTES}")
        self.counts: Counter[str] = Counter()
        self._me = me
        self._where = (cluster, protocol)
        self._signing = Ed25519PrivateKey.from_private_bytes(signing)
        self._public = {n: Ed25519PublicKey.from_public_bytes(key) for n, key in public.items()}
        self._shared = dict(shared)

    def mint(self, msg: Message) -> Message:
        """`msg` as it leaves this node: its own symbols have become proofs."""
        minted: Message = rewritten(msg, self._minted)
        return minted

    def check(self, msg: Message) -> Message:
        """`msg` as an actor may see it. Raises BadMessage when a signature does not verify."""
        checked: Message = rewritten(msg, self._checked)
        return checked

    def _minted(self, proof: Proof) -> Proof:
        content = rewritten(proof.content, self._minted)
        if proof.author != self._me:
            return msgspec.structs.replace(proof, content=content)
        body = self._body(self._me, content)
        if isinstance(proof, Signed):
            return proof if proof.proof else Signed(self._me, content, self._signing.sign(body))
        if proof.tags:
            return proof
        tags = tuple([self._tag(to, body, to) for to in proof.receivers])
        return Authenticated(self._me, content, proof.receivers, tags)

    def _checked(self, proof: Proof) -> Proof:
        body = self._body(proof.author, proof.content)
        content = rewritten(proof.content, self._checked)
        if isinstance(proof, Signed):
            self._verify(proof, body)
            return Signed(proof.signer, content, proof.proof)
        tags = dict(zip(proof.receivers, proof.tags, strict=False))
        if len(tags) != len(proof.receivers) or len(proof.tags) != len(tags):
            raise BadMessage(BAD_TAG)
        mine = tags.get(self._me)
        if mine is not None and not (
            proof.sender in self._shared
            and hmac.compare_digest(mine, self._tag(proof.sender, body, self._me))
        ):
            self.counts[BAD_TAG] += 1
            del tags[self._me]
        return Authenticated(proof.sender, content, tuple(tags), tuple(tags.values()))

    def _verify(self, proof: Signed[Any], body: bytes) -> None:
        key = self._public.get(proof.signer)
        try:
            if key is None:
                raise InvalidSignature
            key.verify(proof.proof, body)
        except InvalidSignature as error:
            raise BadMessage(BAD_SIGNATURE) from error

    def _body(self, author: NodeId, content: Any) -> bytes:
        return _ENCODER.encode((*self._where, author, content))

    def _tag(self, other: NodeId, body: bytes, receiver: NodeId) -> bytes:
        """With the key shared with `other`; none is shared with strangers, and no tag is right."""
        key = self._shared.get(other)
        if key is None:
            return b""
        mac = hashlib.blake2b(body, digest_size=TAG_BYTES, key=key, person=b"quorate seal")
        mac.update(receiver.encode())
        return mac.digest()


def rewritten(value: Any, change: Change) -> Any:
    """`value` with each proof in it, at any depth but within another proof, changed."""
    if isinstance(value, Signed | Authenticated):
        return change(value)
    if isinstance(value, msgspec.Struct):
        fields = _carriers(type(value))
        if not fields:
            return value
        new = {name: rewritten(getattr(value, name), change) for name in fields}
        return msgspec.structs.replace(value, **new)
    if isinstance(value, tuple | frozenset):
        return type(value)([rewritten(item, change) for item in value])
    if isinstance(value, Map):
        return Map([(rewritten(k, change), rewritten(v, change)) for k, v in value.items()])
    return value


def carries_proofs(kinds: Iterable[type]) -> tuple[type, ...]:
    """Those classes of message that hold signatures or authenticators."""
    return tuple(kind for kind in kinds if _carriers(kind))


@functools.cache
def _carriers(kind: type) -> tuple[str, ...]:
    """The fields of a class of Struct that may hold a proof, at any depth."""
    hints = typing.get_type_hints(kind, include_extras=True)
    fields: tuple[str, ...] = kind.__struct_fields__  # type: ignore[attr-defined]
    return tuple(name for name in fields if _may_carry(hints[name], frozenset({kind})))


def _may_carry(hint: Any, within: frozenset[type]) -> bool:
    origin = typing.get_origin(hint)
    if isinstance(hint, TypeVar):
        return True
    if origin is Annotated or origin in (tuple, frozenset, Map, typing.Union, types.UnionType):
        return any(_may_carry(part, within) for part in typing.get_args(hint))
    kind = origin or hint
    if kind is Signed or kind is Authenticated:
        return True
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)) or kind in within:
        return False
    hints = typing.get_type_hints(kind, include_extras=True)
    return any(_may_carry(hints[name], within | {kind}) for name in kind.__struct_fields__)
