"""What every strategy is made of: a step like the node's own, whose effects it may then change.

A strategy is mixed in ahead of the class of a role or process, so that executors see the same
fields, handlers and durable state as ever. Two things no strategy can do, as the kernel promises
(kernel/authentic.py): speak under a name that is not its own, and sign with a key that is not.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Self

import msgspec

from quorate.kernel import (
    Actor,
    At,
    Authenticated,
    By,
    Effect,
    Event,
    For,
    Map,
    Message,
    NodeId,
    Output,
    Process,
    Receive,
    Send,
    Signed,
    UsageError,
    roles_of,
    unwrapped,
)

Proof = Signed[Any] | Authenticated[Any]


Letter = tuple[NodeId, NodeId, Message]
"""Which role sends, to whom, and what."""
MEMORY = {
    "notes": frozenset[str],
    "letters": tuple[Letter, ...],
    "tally": int,
    "twin": Actor | None,
}
START: dict[str, Any] = {"notes": frozenset(), "letters": (), "tally": 0, "twin": None}


class Strategy(Actor, gc=False):
    """Overrides `act`. `faithful`: its facts and its state count when properties are judged."""

    faithful: ClassVar[bool] = False
    doubled: ClassVar[bool] = False  # it has a twin: another node like this one
    others: ClassVar[tuple[NodeId, ...]] = ()  # every role's name but its own, sorted

    if TYPE_CHECKING:  # a field of the class that is mixed; here it would be one of every base
        # What it keeps in mind from step to step; a crash makes it forget that.
        notes: frozenset[str]
        letters: tuple[Letter, ...]
        tally: int
        twin: Actor | None

    def act(self, event: Event, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        """What leaves the node where a correct one would do `effects`; may rebind its memory."""
        raise NotImplementedError

    def posted(self, letter: Letter) -> Effect:
        """The effect that sends a letter."""
        role, to, msg = letter
        return By(role, Send(to, msg)) if isinstance(self, Process) else Send(to, msg)

    def step(self, event: Event) -> tuple[Self, tuple[Effect, ...]]:
        """A step of the node, as the strategy would have it seen.

        Raises UsageError when the strategy uses a name or a key of another node.
        """
        new, effects = super().step(event)
        acted = new.act(event, effects)
        _refuse_forgery(self, event, acted)
        if not self.faithful:
            acted = tuple(e for e in acted if type(unwrapped(e)) is not Output)
        return new, acted


class Anonymous(Strategy, gc=False):
    """A faithful node in a network without identities: it is not told who sent what it receives."""

    faithful = True

    def step(self, event: Event) -> tuple[Self, tuple[Effect, ...]]:
        return super().step(_unsigned(event))

    def act(self, event: Event, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        return effects


def armed(process: Actor, strategy: type[Strategy], names: tuple[NodeId, ...]) -> Actor:
    """`process` with a strategy; `names` are all roles of its world, sorted."""
    mine = {role.me for role in roles_of(process)}
    cls = _mixed(strategy, type(process), tuple(name for name in names if name not in mine))
    fields = {name: getattr(process, name) for name in process.__struct_fields__}
    return cls(**fields | {"twin": process if strategy.doubled else None})


def is_faithful(actor: Actor) -> bool:
    """Whether what this node says and stores counts when properties are judged."""
    roles = (actor, *roles_of(actor))
    return all(getattr(type(role), "faithful", True) for role in roles)


@functools.cache
def _mixed(strategy: type[Strategy], base: type[Actor], others: tuple[NodeId, ...]) -> type[Actor]:
    namespace: dict[str, Any] = {"__module__": base.__module__, "others": others}
    if "notes" not in base.__struct_fields__:
        namespace |= {"__annotations__": MEMORY, **START}
    name = strategy.__name__ + base.__name__
    mixed: type[Actor] = types.new_class(
        name, (strategy, base), {}, lambda it: it.update(namespace)
    )
    return mixed


def _unsigned(event: Event) -> Event:
    if type(event) is At:
        return At(event.at_ms, _unsigned(event.event))
    if type(event) is For:
        return For(event.role, _unsigned(event.event))
    return Receive("", event.msg) if type(event) is Receive else event


def _refuse_forgery(actor: Actor, event: Event, effects: tuple[Effect, ...]) -> None:
    mine = {role.me for role in roles_of(actor)}
    proofs = [proof for effect in effects for proof in proofs_in(effect)]
    for effect in effects:
        if type(effect) is By and effect.role not in mine:
            raise UsageError(f"the strategy of {actor.me} speaks under the name of {effect.role}")
    foreign = {proof for proof in proofs if proof.author not in mine}
    forged = foreign.difference(proofs_in(actor), proofs_in(event)) if foreign else ()
    if forged:
        whose = min(proof.author for proof in forged)
        raise UsageError(f"the strategy of {actor.me} uses the key of {whose}")


def letter_of(me: NodeId, effect: Effect) -> Letter | None:
    """What an effect of node `me` sends; None for another effect."""
    inner = unwrapped(effect)
    if type(inner) is not Send:
        return None
    return effect.role if type(effect) is By else me, inner.to, inner.msg


def proofs_in(value: object) -> Iterator[Proof]:
    """Every signature and authenticator within a value, at any depth."""
    if isinstance(value, Signed | Authenticated):
        yield value
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from proofs_in(getattr(value, name))
    elif isinstance(value, tuple | frozenset):
        for item in value:
            yield from proofs_in(item)
    elif isinstance(value, Map):
        yield from proofs_in(tuple(value.items()))
