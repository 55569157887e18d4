"""When a run repeats itself: a state is equal to an earlier one, but for how far ballots have gone.

Protocols compare rounds and add to the highest, and never ask how high a round is. Where a world
says in which fields its `rounds` are, states that differ only in a number that was added to every
round behave alike, and a run that comes from one to the other can go on in the same way for ever.
A round of 0 stands for none, and stays 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from quorate.kernel import Ballot, Map


def with_rounds(value: Any, fields: frozenset[str], change: Callable[[int], int]) -> Any:
    """`value` with every round in it changed: those of ballots, and the integer `fields`."""
    kind = type(value)
    if kind is Ballot:
        return Ballot(change(value.round), value.proposer) if value.round else value
    if isinstance(value, msgspec.Struct):
        return kind(
            *(
                change(item)
                if name in fields and item and type(item) is int
                else with_rounds(item, fields, change)
                for name, item in zip(
                    kind.__struct_fields__, msgspec.structs.astuple(value), strict=True
                )
            )
        )
    if kind is tuple or kind is frozenset:
        return kind([with_rounds(item, fields, change) for item in value])
    if isinstance(value, tuple):
        return kind(*(with_rounds(item, fields, change) for item in value))
    if kind is Map:
        return Map({key: with_rounds(item, fields, change) for key, item in value.items()})
    return value


def round_range(value: Any, fields: frozenset[str]) -> tuple[int, int]:
    """The lowest and the highest round in `value`; 0 and 0 if there is none."""
    rounds = [0]

    def note(round: int) -> int:
        rounds.append(round)
        return round

    with_rounds(value, fields, note)
    return min(rounds[1:], default=0), max(rounds)


def repeats(before: Any, after: Any, fields: frozenset[str]) -> bool:
    """Whether `after` is `before`, but for one number that was added to every round in it."""
    if not fields:
        return bool(before == after)
    by = round_range(after, fields)[0] - round_range(before, fields)[0]
    return bool(with_rounds(before, fields, lambda round: round + by) == after)
