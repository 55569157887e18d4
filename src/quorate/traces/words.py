"""Steps in words: what happened, what changed, what was done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from quorate.kernel import (
    Actor,
    At,
    By,
    Choice,
    Choose,
    Crash,
    Effect,
    For,
    Happening,
    Ignore,
    Map,
    NodeId,
    Output,
    Persist,
    Receive,
    Send,
    SetTimer,
    Timeout,
    brief,
    core,
    plan_of,
    roles_of,
    unwrapped,
)


def describe(
    before: Actor | None, event: Happening, after: Actor, effects: Iterable[Effect]
) -> str:
    """One line for a step: what happened | what changed | what was done."""
    changed = () if before is None else changes(before, after)
    return " | ".join((headline(event, after.me), *changed, *all_told(effects)))


def all_told(effects: Iterable[Effect]) -> Iterator[str]:
    """What was done, one message to several nodes told once."""
    for _, alike in groupby(effects, key=_broadcast):
        some = list(alike)
        line = told(some[0])
        if len(some) > 1 and isinstance(unwrapped(some[0]), Send):
            nodes = [effect.to for each in some if isinstance(effect := unwrapped(each), Send)]
            line = line.replace(f"→ {nodes[0]} ", f"→ {' '.join(nodes)} ", 1)
        if line:
            yield line


def _broadcast(effect: Effect) -> Effect:
    """The same for all sends of one message by one role."""
    match effect:
        case Send(_, msg):
            return Send("", msg)
        case By(role, Send(_, msg)):
            return By(role, Send("", msg))
        case _:
            return effect


def role_of(event: Happening, node: NodeId) -> NodeId:
    """The role of `node` that an event is for."""
    inner = event.event if isinstance(event, At) else event
    return inner.role if isinstance(inner, For) else node


def headline(event: Happening, node: NodeId) -> str:
    """What happened to `node`, in one line."""
    inner, role = core(event), role_of(event, node)
    match inner:
        case Receive(src, msg):
            return f"{role} ← {src} {brief(msg)}"
        case Timeout(timer):
            return f"{role} time-out {timer}"
        case Choice(key, value):
            return f"{role} chose {key}={brief(value)}"
        case Crash(None, _, forgets, undone):
            lost = f", {forgets + undone} writes lost" if forgets + undone else ""
            return f"{role} crash{lost}"
        case Crash(_, sent):
            return f"{role} crash in mid-step after {sent} sends"
        case _:
            return f"{role} {'restart' if inner.recovered else 'start'}"


def changes(before: Actor, after: Actor) -> Iterable[str]:
    """The fields that differ, each with its old and new value; "log" marks what is forced."""
    for old, new in zip(roles_of(before), roles_of(after), strict=True):
        plan = plan_of(type(new))
        for field in new.__struct_fields__:
            was, now = getattr(old, field), getattr(new, field)
            name = f"log {field}" if field in plan.stable else field
            if was is not now and type(now) is Map:
                delta = now.delta_since(was)
                yield from (f"{name}[{brief(key)}]={brief(item)}" for key, item in delta.updated)
                yield from (f"{name}[{brief(key)}] gone" for key in delta.removed)
            elif was is not now and was != now:
                yield f"{name} {brief(was)}→{brief(now)}"


def told(effect: Effect) -> str:
    """What an effect does, in one line; "" for what `changes` tells already."""
    match effect:
        case By(role, inner):
            line = told(inner)
            return f"{role}: {line}" if line else ""
        case Send(to, msg):
            return f"→ {to} {brief(msg)}"
        case SetTimer(timer, after_ms):
            return f"timer {timer} {after_ms[0]}–{after_ms[1]} ms"
        case Choose(key, options):
            return f"choose {key} of {brief(options)}"
        case Output(fact):
            return f"! {brief(fact)}"
        case Ignore(reason):
            return f"ignored: {reason}"
        case Persist():
            return ""
        case _:
            return f"cancel timer {effect.timer}"
