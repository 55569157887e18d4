"""Why two generals cannot agree: every exchange of letters, with every pattern of loss.

In each of some rounds both write to the other all that they know; a letter arrives or is lost. A
general decides by what it knows at the end, and by nothing else: so whatever deterministic protocol
of as many rounds they follow, it is a rule on these views. Two runs in which one of them has the
same view are alike to it: it does the same in both, and so must the other, if they agree in all.
Source: Akkoyunlu, Ekanadham and Huber, Some Constraints and Tradeoffs in the Design of Network
Communications, SOSP 1975; Lynch, Distributed Algorithms, 1996, section 5.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product

import msgspec

Pattern = tuple[tuple[bool, bool], ...]
"""For each round: whether a's letter reached b, and whether b's reached a."""
GENERALS = ("a", "b")


class Link(msgspec.Struct, frozen=True):
    """Two runs that one general cannot tell apart: the second lacks a letter of the first."""

    more: Pattern
    less: Pattern
    blind: str


def views(pattern: Pattern) -> tuple[int, int]:
    """What each general knows at the end, as a number: equal numbers, equal knowledge."""
    known: list[object] = ["ordered to attack", "not ordered"]
    for to_b, to_a in pattern:
        a, b = known
        known = [(a, b if to_a else None), (b, a if to_b else None)]
    return _number(known[0]), _number(known[1])


_NUMBERS: dict[object, int] = {}


def _number(view: object) -> int:
    return _NUMBERS.setdefault(view, len(_NUMBERS))


def patterns(rounds: int) -> Iterator[Pattern]:
    """Every pattern of loss."""
    fates = [(to_b, to_a) for to_b in (True, False) for to_a in (True, False)]
    return product(fates, repeat=rounds)


def chain(rounds: int) -> tuple[Link, ...]:
    """From the run in which every letter arrives to the one in which none does: each time the last
    letter to arrive is lost instead, and its writer cannot tell.

    Raises AssertionError if a writer could, which would refute the theorem.
    """
    pattern: Pattern = ((True, True),) * rounds
    links = []
    while (less := without_last(pattern)) is not None:
        blind = 0 if less[1] == 0 else 1
        assert views(pattern)[blind] == views(less[0])[blind]
        links.append(Link(pattern, less[0], GENERALS[blind]))
        pattern = less[0]
    return tuple(links)


def without_last(pattern: Pattern) -> tuple[Pattern, int] | None:
    """A pattern without the last letter that arrives in it, and who wrote that; None if none does.

    Of two in one round, that of a counts as the earlier.
    """
    for index in range(len(pattern) - 1, -1, -1):
        to_b, to_a = pattern[index]
        if to_b or to_a:
            writer = 1 if to_a else 0
            rest = (to_b, False) if to_a else (False, False)
            return (*pattern[:index], rest, *pattern[index + 1 :]), writer
    return None


def groups(runs: Iterable[Pattern]) -> int:
    """Into how many groups runs fall, where runs that one general cannot tell apart belong
    together. One group: a rule by which both always do the same always does the same."""
    parent: dict[tuple[int, int], tuple[int, int]] = {}

    def find(node: tuple[int, int]) -> tuple[int, int]:
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    for pattern in runs:
        a, b = views(pattern)
        parent[find((0, a))] = find((1, b))
    return len({find(node) for node in list(parent)})
