"""A process between two steps, and a way to go on from there: what a model is made of."""

from __future__ import annotations

from typing import Any, NamedTuple

from quorate.check.observers import Stated
from quorate.kernel import Actor, Crash, Fact, Happening, NodeId, Timeout, core

Offer = tuple[NodeId, str, tuple[int | str, ...]]
Envelope = tuple[NodeId, NodeId, Any]
"""Sender, receiver, message."""


class Local(NamedTuple):
    """A process between two steps, with all that decides what it may do next."""

    actor: Actor
    timers: frozenset[tuple[NodeId, str]] = frozenset()
    offers: tuple[Offer, ...] = ()
    facts: tuple[tuple[NodeId, Fact], ...] = ()
    unforced: tuple[Any, ...] = ()
    up: bool = True
    failure: str = ""
    rounds: int = 0  # timers that ran out, in lock-step


class Move(NamedTuple):
    """One way for a process to go on, by number: its local state then, the envelopes sent, and
    what it stated to observers, 0 being nothing.

    `crashes` counts towards the budget; `happenings` are what a trace shows. An `idle` move does
    nothing but state: it is none if no observer changes with it. A `tick` ends a lock-step round.
    """

    local: int
    sent: tuple[int, ...]
    stated: int
    crashes: int
    happenings: tuple[Happening, ...]
    idle: bool = False
    tick: bool = False


class Way(NamedTuple):
    """A move before it is interned."""

    happenings: tuple[Happening, ...]
    local: Local
    sent: list[Envelope]
    stated: Stated
    crashes: int


def ends_round(happening: Happening) -> bool:
    """Whether a timer runs out, also if the node crashes while it acts on that."""
    during = happening.during if isinstance(happening, Crash) else happening
    return type(core(during)) is Timeout
