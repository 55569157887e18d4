"""Shapes of partitions: which links between nodes, given by their numbers, are cut.

Source: the shapes of Jepsen's nemesis (jepsen.nemesis: halves, bridge, majorities-ring).
"""

from __future__ import annotations

import enum
import random
from collections.abc import Iterable
from itertools import combinations

Cut = frozenset[tuple[int, int]]
"""Links from one node to another."""


class Shape(enum.Enum):
    """What a partition may look like."""

    FULL = "full"  # two sides, and no link between them
    ONE_WAY = "one_way"  # two sides; messages pass from one to the other, but not back
    PARTIAL = "partial"  # some links, so that nodes do not agree on who can be reached
    BRIDGE = "bridge"  # two sides, and one node that reaches both
    RING = "ring"  # everyone reaches a majority, nobody the same one as its neighbour
    FLAPPING = "flapping"  # a full one that comes and goes


def draw_cut(shape: Shape, count: int, draw: random.Random) -> Cut:
    """A partition of `count` nodes in that shape; who is where is drawn."""
    if shape is Shape.PARTIAL:
        return both_ways(pair for pair in combinations(range(count), 2) if draw.random() < 0.5)
    if shape is Shape.RING:
        order = draw.sample(range(count), count)
        return ring(order)
    left = [node for node in range(count) if draw.random() < 0.5]
    bridge = draw.randrange(count) if shape is Shape.BRIDGE else None
    right = [node for node in range(count) if node not in left and node != bridge]
    there = frozenset((a, b) for a in left for b in right if a != bridge)
    return there if shape is Shape.ONE_WAY else both_ways(there)


def ring(order: list[int]) -> Cut:
    """Nodes in a circle, each of which reaches itself and its nearest up to a majority of all."""
    count = len(order)
    reach = (count // 2 + 1) // 2  # so many on either side: with oneself, a majority
    return both_ways(
        (order[a], order[b])
        for a, b in combinations(range(count), 2)
        if min(b - a, count - (b - a)) > reach
    )


def split(*groups: list[int]) -> Cut:
    """No link between nodes of different groups."""
    return both_ways((a, b) for one, other in combinations(groups, 2) for a in one for b in other)


def told(names: list[str], cut: Cut) -> str:
    """A partition in words: its sides, if it is one, or else the links that are cut."""
    if not cut:
        return "all links carry again"
    sides: list[list[int]] = []
    for node in range(len(names)):
        side = next((s for s in sides if (s[0], node) not in cut and (node, s[0]) not in cut), None)
        if side is None:
            sides.append([node])
        else:
            side.append(node)
    if cut == split(*sides):
        return "partition: " + " | ".join(" ".join(names[n] for n in side) for side in sides)
    links = []
    for source, name in enumerate(names):
        targets = [names[target] for target in range(len(names)) if (source, target) in cut]
        if targets:
            links.append(f"{name} → {' '.join(targets)}")
    return "links cut: " + ", ".join(links)


def both_ways(pairs: Iterable[tuple[int, int]]) -> Cut:
    """Links in both directions."""
    there = frozenset(pairs)
    return there | {(b, a) for a, b in there}
