"""Quorum systems as values. A verdict has three answers: hopeless is known as early as won.

Sources: Gifford, Weighted Voting for Replicated Data, SOSP 1979; Cheung, Ammar and Ahamad, The Grid
Protocol, 1992; Howard, Malkhi and Spiegelman, Flexible Paxos, OPODIS 2016; Castro and Liskov 2002.
"""

from __future__ import annotations

import enum
from itertools import combinations
from typing import Any

import msgspec

from quorate.kernel.errors import UsageError
from quorate.kernel.values import NodeId


class Verdict(enum.Enum):
    """How a vote stands."""

    PENDING = "pending"
    WON = "won"
    LOST = "lost"


class QuorumSystem(msgspec.Struct, frozen=True, tag=True, cache_hash=True):
    """A family of sets of nodes, closed under adding nodes. Subclasses say which sets belong."""

    nodes: tuple[NodeId, ...]

    def holds(self, voters: frozenset[NodeId]) -> bool:
        """Whether `voters`, all of them members, contain a quorum. More voters never hold less."""
        raise NotImplementedError

    def verdict(self, yes: frozenset[NodeId], no: frozenset[NodeId] = frozenset()) -> Verdict:
        """WON when `yes` holds a quorum, LOST when not even all the silent nodes could help."""
        members = frozenset(self.nodes)
        if self.holds(yes & members):
            return Verdict.WON
        return Verdict.PENDING if self.holds(members - no) else Verdict.LOST

    def won(self, yes: frozenset[NodeId]) -> bool:
        """Whether `yes` holds a quorum."""
        # Too few are too few even if all of them are members: most votes are settled by this.
        return self.holds(yes) and self.holds(yes.intersection(self.nodes))

    def intersects(self, other: QuorumSystem) -> bool:
        """Whether each quorum here meets each of `other`. Exponential: for small systems."""
        members = frozenset(self.nodes) | frozenset(other.nodes)
        for size in range(len(self.nodes) + 1):
            for voters in combinations(self.nodes, size):
                mine = frozenset(voters)
                if self.holds(mine) and other.holds((members - mine) & frozenset(other.nodes)):
                    return False
        return True


class Threshold(QuorumSystem, frozen=True, tag=True):
    """Any `count` of the nodes."""

    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.count <= len(self.nodes):
            raise UsageError(
                f"a threshold of {self.count} among {len(self.nodes)} nodes is no quorum"
            )

    def holds(self, voters: frozenset[NodeId]) -> bool:
        return len(voters) >= self.count


class Majority(QuorumSystem, frozen=True, tag=True):
    """More than half of the nodes."""

    def holds(self, voters: frozenset[NodeId]) -> bool:
        return 2 * len(voters) > len(self.nodes)


class Byzantine(QuorumSystem, frozen=True, tag=True):
    """Any ⌈(n+f+1)/2⌉ nodes: two quorums share a correct node although f lie."""

    faults: int

    def __post_init__(self) -> None:
        if len(self.nodes) < 3 * self.faults + 1:
            raise UsageError(
                f"{self.faults} Byzantine faults need {3 * self.faults + 1} nodes or more"
            )

    def holds(self, voters: frozenset[NodeId]) -> bool:
        return len(voters) >= (len(self.nodes) + self.faults + 2) // 2


class Weighted(QuorumSystem, frozen=True, tag=True):
    """Nodes whose weights sum to `threshold` or more; one weight per node, in order."""

    weights: tuple[int, ...]
    threshold: int

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.nodes):
            raise UsageError(
                f"{len(self.nodes)} nodes, but {len(self.weights)} weights: give one for each"
            )

    def holds(self, voters: frozenset[NodeId]) -> bool:
        pairs = zip(self.nodes, self.weights, strict=True)
        return sum(weight for node, weight in pairs if node in voters) >= self.threshold


class Grid(QuorumSystem, frozen=True, tag=True):
    """Nodes in rows of `width`: one whole row (`rows`) or one whole column is a quorum."""

    width: int
    rows: bool = True

    def __post_init__(self) -> None:
        if self.width < 1 or len(self.nodes) % self.width:
            raise UsageError(f"{len(self.nodes)} nodes do not fill rows of {self.width}")

    def holds(self, voters: frozenset[NodeId]) -> bool:
        starts = range(0, len(self.nodes), self.width)
        rows = [self.nodes[start : start + self.width] for start in starts]
        lines: list[tuple[Any, ...]] = list(rows) if self.rows else list(zip(*rows, strict=True))
        return any(voters.issuperset(line) for line in lines)


class Flexible(msgspec.Struct, frozen=True, tag=True, cache_hash=True):
    """Different quorums for the two phases of Paxos; only these two need to intersect."""

    phase1: QuorumSystem
    phase2: QuorumSystem
