"""OM(m) as the paper writes it down, by recursion: no messages, no rounds, no trees of paths."""

from __future__ import annotations

from functools import cache

ATTACK, RETREAT = "attack", "retreat"
Path = tuple[str, ...]
Lie = dict[tuple[Path, str], str | None]
"""By path and receiver: what the last on the path says, None if nothing; loyal ones have none."""


def decisions(generals: int, faults: int, order: str, lies: Lie) -> dict[str, str]:
    """What each lieutenant that does not lie obeys."""
    names = [f"p{i}" for i in range(1, generals + 1)]
    liars = {path[-1] for path, _ in lies}

    @cache
    def received(path: Path, to: str) -> str:
        true = order if len(path) == 1 else received(path[:-1], path[-1])
        if path[-1] not in liars:
            return true
        return lies.get((path, to)) or RETREAT

    def used(path: Path, me: str, depth: int, members: frozenset[str]) -> str:
        own = received(path, me)
        if depth == 0:
            return own
        votes = [own]
        for other in sorted(members - {me}):
            rest = members - {other}
            votes.append(used((*path, other), me, depth - 1, rest))
        best = max(sorted(set(votes)), key=votes.count)
        return best if 2 * votes.count(best) > len(votes) else RETREAT

    lieutenants = frozenset(names[1:])
    return {me: used((names[0],), me, faults, lieutenants) for me in names[1:] if me not in liars}


def slots(
    generals: int, faults: int, traitors: set[str], heard_by_loyal: bool = False
) -> list[tuple[Path, str]]:
    """Every path that ends with a traitor, with every receiver."""
    found: list[tuple[Path, str]] = []

    def walk(path: Path, members: list[str], depth: int) -> None:
        if path[-1] in traitors:
            found.extend((path, to) for to in members)
        if depth:
            for other in members:
                walk((*path, other), [m for m in members if m != other], depth - 1)

    walk(("p1",), [f"p{i}" for i in range(2, generals + 1)], faults)
    return [slot for slot in found if not (heard_by_loyal and slot[1] in traitors)]
