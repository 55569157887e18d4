"""A naive vote: everyone tells everyone its vote, and decides as soon as one node may be missing.

Three nodes wait for two votes, their own included, so that one crash blocks nobody. That cannot be
all there is to consensus (Fischer, Lynch and Paterson 1985), and `quorate flp` shows what is wrong:

    quorate flp examples/majority_vote.py --inputs votes=000,001,011,111
"""

from __future__ import annotations

from quorate.kernel import Actor, Context, Message, Network, NodeId, World
from quorate.properties.consensus import Decided, Proposed, agreement, termination


class Vote(Message, frozen=True):
    value: str


class Voter(Actor):
    others: tuple[NodeId, ...]
    vote: str
    heard: frozenset[tuple[NodeId, str]] = frozenset()
    decided: bool = False

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.output(Proposed(self.vote))
        ctx.broadcast(self.others, Vote(self.vote))

    def on_vote(self, ctx: Context, src: NodeId, m: Vote) -> None:
        self.heard |= {(src, m.value)}
        if self.decided or len(self.heard) < len(self.others) - 1:
            return ctx.ignore("too early, or too late")
        votes = sorted([self.vote, *(value for _, value in self.heard)])
        self.decided = True
        ctx.output(Decided(max(votes, key=votes.count)))  # in a tie, the lower one


def world(votes: str = "001") -> World:
    """A node for each vote."""
    names = tuple(f"n{i}" for i in range(1, len(votes) + 1))
    voters = (
        Voter(me, tuple(name for name in names if name != me), vote)
        for me, vote in zip(names, votes, strict=True)
    )
    return World(
        processes=tuple(voters),
        properties=(agreement, termination),
        network=Network.MULTISET,
    )
