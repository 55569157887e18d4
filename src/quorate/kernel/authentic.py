"""Two kinds of authenticity, kept apart because they promise different things.

`Authenticated` is a MAC: it convinces the receivers it was made for and proves nothing to others,
since a receiver holds the same key. `Signed` is a proof that anyone may check and relay. Inside
actors both are symbols that only the kernel mints; a runtime puts real tags on them when they
leave, and before an actor sees it drops what does not verify: the whole message for a signature,
for a MAC its receiver's part in it. So no actor ever meets a forgery. What tells two symbols apart
is what was said, by whom, and to whom; the bytes that prove it do not.
Source: Castro and Liskov, Practical Byzantine Fault Tolerance, TOCS 20(4) 2002, section 3.2.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from quorate.kernel.values import Message, NodeId

C = TypeVar("C", bound=Message)


class Signed(msgspec.Struct, Generic[C], frozen=True, tag=True, cache_hash=True, gc=False):
    """`signer` said `content`, provably. While it is symbolic, `proof` is empty."""

    signer: NodeId
    content: C
    proof: bytes = b""

    def __eq__(self, other: object) -> bool:
        if type(other) is not Signed:
            return False
        return self.signer == other.signer and self.content == other.content

    def __hash__(self) -> int:
        return hash((self.signer, self.content))

    @property
    def author(self) -> NodeId:
        """Whose key this is made with."""
        return self.signer

    def convinces(self, node: NodeId) -> bool:
        """Whether `node` can tell that it is genuine: anyone can."""
        return True


class Authenticated(msgspec.Struct, Generic[C], frozen=True, tag=True, cache_hash=True, gc=False):
    """`sender` said `content`, as far as each of `receivers` can tell: one MAC for each."""

    sender: NodeId
    content: C
    receivers: tuple[NodeId, ...]
    tags: tuple[bytes, ...] = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not Authenticated:
            return False
        mine, others = (self.sender, self.receivers), (other.sender, other.receivers)
        return mine == others and self.content == other.content

    def __hash__(self) -> int:
        return hash((self.sender, self.content, self.receivers))

    @property
    def author(self) -> NodeId:
        """Whose key this is made with."""
        return self.sender

    def convinces(self, node: NodeId) -> bool:
        """Whether `node` holds a valid tag here."""
        return node in self.receivers
