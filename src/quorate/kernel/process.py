"""Roles that share a crash, and durable state across one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

import msgspec

from quorate.kernel.actor import Actor, Timed, plan_of
from quorate.kernel.effects import By, Effect, Output, Persist, Send
from quorate.kernel.errors import ProtocolBug, UsageError
from quorate.kernel.events import At, Event, For, Receive, Start, Stated
from quorate.kernel.values import NodeId

LOCAL_DELIVERIES_MAX = 10_000


class Process(Actor, gc=False):
    """Several roles on one node: they crash together, and talk to each other without messages.

    What one role sends to another is delivered within the same step, in order; every Persist of
    the step comes ahead of everything that leaves it. A role named `instance(role, …)` is run by
    `role`: what it states is told to that one, in place of the outside world. So a protocol is made
    of instances of others, which find each other across nodes by the names of their roles.
    """

    actors: tuple[Actor, ...]

    def step(self, event: Event) -> tuple[Self, tuple[Effect, ...]]:
        """One step of the role that `event` is for, and of every role it reaches locally."""
        roles = {actor.me: actor for actor in self.actors}
        queue: list[tuple[NodeId, Event]] = []
        at_ms: int | None = None
        if type(event) is At:
            at_ms, event = event.at_ms, event.event
        if type(event) is For:
            queue.append((event.role, event.event))
        elif type(event) is Start:
            queue.extend((role, event) for role in roles)
        else:
            raise UsageError(f"process {self.me} has roles: wrap {event!r} in For(role, …)")
        persists: list[Effect] = []
        others: list[Effect] = []
        for count, (role, item) in enumerate(queue):
            if count > LOCAL_DELIVERIES_MAX:
                raise ProtocolBug(f"process {self.me}: its roles send to each other without end")
            timed = at_ms is not None and isinstance(roles[role], Timed)
            roles[role], effects = roles[role].step(At(at_ms or 0, item) if timed else item)
            for effect in effects:
                if type(effect) is Send and effect.to in roles:
                    queue.append((effect.to, Receive(role, effect.msg)))
                elif type(effect) is Output and runner_of(role) in roles:
                    queue.append((runner_of(role), Stated(role, effect.fact)))
                else:
                    (persists if type(effect) is Persist else others).append(By(role, effect))
        new = msgspec.structs.replace(self, actors=tuple(roles.values()))
        return new, (*persists, *others)

    def stable(self) -> tuple[Any, ...]:
        return tuple(actor.stable() for actor in self.actors)

    def lazy(self) -> tuple[Any, ...]:
        return tuple(actor.lazy() for actor in self.actors)

    def restart(self, boot: Self, lazy: tuple[Any, ...] | None = None) -> Self:
        kept = self.lazy() if lazy is None else lazy
        actors = [
            actor.restart(first, part)
            for actor, first, part in zip(self.actors, boot.actors, kept, strict=True)
        ]
        return msgspec.structs.replace(boot, actors=tuple(actors))


def instance(role: NodeId, name: str) -> NodeId:
    """The name of the role that is `role`'s part in the instance `name` of another protocol."""
    if "." in name:
        raise UsageError(f"an instance cannot be called {name!r}: leave out the dot")
    return f"{role}.{name}"


def runner_of(role: NodeId) -> NodeId:
    """The role that runs this one as an instance; "" if none does."""
    return role.rpartition(".")[0]


def placed(roles: Iterable[Actor], node_of: Callable[[NodeId], NodeId]) -> tuple[Actor, ...]:
    """The roles on their nodes; those that share one become a Process of that name."""
    nodes: dict[NodeId, list[Actor]] = {}
    for role in roles:
        nodes.setdefault(node_of(role.me), []).append(role)
    return tuple(
        Process(node, tuple(here)) if len(here) > 1 else here[0] for node, here in nodes.items()
    )


def roles_of(actor: Actor) -> tuple[Actor, ...]:
    """The roles on a node: those of a Process, or the actor itself."""
    return actor.actors if isinstance(actor, Process) else (actor,)


def address(actor: Actor, role: NodeId, event: Event) -> Event:
    """`event` in the wrapping that `actor` needs for it to reach `role`."""
    return For(role, event) if isinstance(actor, Process) else event


def unwrapped(effect: Effect) -> Effect:
    """The effect itself, whichever role it is of."""
    return effect.effect if type(effect) is By else effect


def forces(effects: tuple[Effect, ...]) -> bool:
    """Whether a step must reach the disk before its sends and outputs may leave."""
    for effect in effects:
        inner = unwrapped(effect)
        if type(inner) is not Persist:
            return False  # the kernel puts them first
        if inner.forced:
            return True
    return False


def until_send(effects: tuple[Effect, ...], sent: int) -> tuple[Effect, ...]:
    """What a step did that crashed once its first `sent` sends had left, ahead of the next one."""
    sends = 0
    for index, effect in enumerate(effects):
        if type(unwrapped(effect)) is Send:
            if sends == sent:
                return effects[:index]
            sends += 1
    return effects


def unforced_after(
    unforced: tuple[Any, ...], before: Actor, effects: tuple[Effect, ...]
) -> tuple[Any, ...]:
    """Earlier values of lazy fields that a crash after this step could bring back, oldest first.

    Unforced records lie in the log in order, and forcing a later record forces them too.
    """
    if not effects or type(unwrapped(effects[0])) is not Persist:
        return unforced
    return () if forces(effects) else (*unforced, before.lazy())


def messages_of(actors: tuple[Actor, ...]) -> tuple[type, ...]:
    """The types of message that any of `actors` handles, by name."""
    kinds = {
        kind
        for actor in actors
        for role in roles_of(actor)
        for kind in plan_of(type(role)).messages
    }
    return tuple(sorted(kinds, key=lambda kind: kind.__name__))
