"""Specifications over shared variables, as one actor whose choices are their actions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from pins import counts
from quorate.check import Result, check
from quorate.kernel import Actor, Context, Property, World

Way = tuple[str, dict[str, Any]]
"""An action by name, with the new values of the variables that it changes."""


class Board(Actor):
    """The variables are its fields. Subclasses say how they may change.

    An action that changes nothing is no step here, and two actions that come to the same are one:
    TLC counts both among the states that it generates, but not among the distinct ones.
    """

    begun: bool = False

    def initial(self) -> Iterator[Way]:
        """The initial states, if the fields as they are do not say it."""
        return iter(())

    def actions(self) -> Iterator[Way]:
        """The actions that are enabled."""
        raise NotImplementedError

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.begun = not any(self.initial())
        self.offer(ctx)

    def on_choice(self, ctx: Context, key: str, value: int | str) -> None:
        changes = ways(self)[str(value)]
        self.begun = True
        for variable, new in changes.items():
            setattr(self, variable, new)
        self.offer(ctx)

    def offer(self, ctx: Context) -> None:
        names = tuple(ways(self))
        if names:
            ctx.choose("action", names)


def ways(board: Board) -> dict[str, dict[str, Any]]:
    """What may happen to a board."""
    return _ways(board.__copy__())  # type: ignore[attr-defined,no-any-return]


@lru_cache(maxsize=1_000_000)
def _ways(board: Board) -> dict[str, dict[str, Any]]:
    found = list(board.actions() if board.begun else board.initial())
    named = dict(found)
    assert len(named) == len(found), "two actions share a name"
    return named


def look(board: Board, *properties: Property) -> Result:
    """Check a specification."""
    return check(World(processes=(board,), properties=properties))


def explore(board: Board, *properties: Property) -> tuple[Result, dict[str, int]]:
    """Check a specification to its end, and count without the state in which one begins to be
    chosen from several initial ones."""
    result = look(board, *properties)
    found = counts(result)
    if any(board.initial()):
        found = {name: count - 1 for name, count in found.items()}
    return result, found


def put(row: tuple[Any, ...], index: int, value: Any) -> tuple[Any, ...]:
    """A row with one entry replaced."""
    return (*row[:index], value, *row[index + 1 :])
