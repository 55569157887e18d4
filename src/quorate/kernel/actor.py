"""Actors: pure state machines. `step` is the only way in, its returned tuple the only way out.

Source of the shape: Lynch, Distributed Algorithms (1996), chapter 8 (I/O automata).
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any, Self

import msgspec

from quorate.kernel.authentic import Authenticated, C, Signed
from quorate.kernel.effects import (
    CancelTimer,
    Change,
    Choose,
    Effect,
    Ignore,
    Output,
    Persist,
    Send,
    SetTimer,
)
from quorate.kernel.errors import UsageError
from quorate.kernel.events import At, Choice, Event, Receive, Start, Stated, Timeout
from quorate.kernel.values import Fact, Map, Message, NodeId, refuse_mutable


class _Sealed(list[Effect]):
    def append(self, _: Effect) -> None:
        raise UsageError("a context was used after its step had ended; do not keep `ctx`")


_SEALED = _Sealed()


class Context(msgspec.Struct, eq=False, gc=False):
    """Records what a handler does. Unusable once the step is over."""

    me: NodeId
    _at_ms: int | None = None
    _effects: list[Effect] = []  # a list of its own for each: msgspec copies defaults

    @property
    def at_ms(self) -> int:
        """The node's own clock in ms; only a Timed actor may look."""
        if self._at_ms is None:
            raise UsageError(f"{self.me} is not Timed: it has no clock to read")
        return self._at_ms

    def send(self, to: NodeId, msg: Message) -> None:
        """Send `msg` to `to`, which may be this node itself."""
        self._effects.append(Send(to, msg))

    def broadcast(self, nodes: Iterable[NodeId], msg: Message) -> None:
        """Send `msg` to each of `nodes`: in the order of a tuple, sorted if it is a set."""
        append = self._effects.append
        for node in nodes if type(nodes) is tuple else sorted(nodes):
            append(Send(node, msg))

    def set_timer(self, timer: str, after_ms: tuple[int, int]) -> None:
        """Arm, or re-arm, a named timer that runs out after a time drawn from `after_ms`."""
        self._effects.append(SetTimer(timer, after_ms))

    def cancel_timer(self, timer: str) -> None:
        """Disarm a named timer."""
        self._effects.append(CancelTimer(timer))

    def choose(self, key: str, options: tuple[int | str, ...]) -> None:
        """Ask for one of `options`; the answer comes to `on_choice`."""
        self._effects.append(Choose(key, options))

    def output(self, fact: Fact) -> None:
        """State a fact to the outside world."""
        self._effects.append(Output(fact))

    def ignore(self, reason: str) -> None:
        """Drop the event, aloud."""
        self._effects.append(Ignore(reason))

    def sign(self, content: C) -> Signed[C]:
        """A proof, which anyone may relay, that this node said `content`."""
        return Signed(self.me, content)

    def authenticate(self, content: C, receivers: tuple[NodeId, ...]) -> Authenticated[C]:
        """`content` with a MAC for each of `receivers`; it convinces them and nobody else."""
        return Authenticated(self.me, content, receivers)


class Actor(msgspec.Struct, gc=False):
    """A role of a protocol: fields, and one `on_<message>(self, ctx, src, m: <Message>)` for each.

    Handlers may rebind fields and call `ctx`; field values themselves are immutable.
    """

    me: NodeId

    def on_start(self, ctx: Context, recovered: bool) -> None:
        """A life begins; `recovered` when durable fields were carried over."""

    def on_timer(self, ctx: Context, timer: str) -> None:
        """A named timer ran out."""

    def on_choice(self, ctx: Context, key: str, value: int | str) -> None:
        """A choice that this actor asked for was made."""

    def on_stated(self, ctx: Context, role: NodeId, fact: Fact) -> None:
        """An instance that this actor runs stated a fact."""

    def __hash__(self) -> int:
        return hash((type(self), msgspec.structs.astuple(self)))

    def step(self, event: Event) -> tuple[Self, tuple[Effect, ...]]:
        """The actor after `event`, and what it did. Pure: `self` stays as it was."""
        done: tuple[Self, tuple[Effect, ...]] = plan_of(type(self)).step(self, event)
        return done

    def stable(self) -> tuple[Any, ...]:
        """The values that every crash keeps."""
        return tuple(getattr(self, field) for field in plan_of(type(self)).stable)

    def lazy(self) -> tuple[Any, ...]:
        """The values that a crash may lose."""
        return tuple(getattr(self, field) for field in plan_of(type(self)).lazy)

    def restart(self, boot: Self, lazy: tuple[Any, ...] | None = None) -> Self:
        """What a crash leaves: the boot image, stable fields, and `lazy` (None: as they are)."""
        plan = plan_of(type(self))
        new: Self = boot.__copy__()  # type: ignore[attr-defined]
        for field, value in zip(plan.stable, self.stable(), strict=True):
            setattr(new, field, value)
        for field, value in zip(plan.lazy, self.lazy() if lazy is None else lazy, strict=True):
            setattr(new, field, value)
        return new


class Timed(Actor, gc=False):
    """An actor that may read its node's clock: every event reaches it inside `At`. Leases and
    synchronous rounds need this; everything else must not."""


Fields = tuple[str, ...]


class Plan(msgspec.Struct, frozen=True):
    """What the kernel knows about an actor class: who handles what, what is durable, its step."""

    handlers: dict[type[Message], Callable[[Any, Context, NodeId, Any], None]]
    messages: tuple[Any, ...]  # what they are handlers of, with what a generic message is made of
    stable: Fields
    lazy: Fields
    step: Any
    step_unlogged: Any  # the same without Persist, for executors in which nothing can crash


# A step is written out for each class, because executors spend their time here: a field that was
# not rebound costs one `is`, and the interpreter's caches see one class of actor only.
_STEP = """
def step(self, event):
    if type(self) is not cls:
        return plan_of(type(self)).step(self, event)
    new = self.__copy__()  # a Struct's own shallow copy
    ctx = Context(self.me)
    {timed}
    if type(event) is Receive:
        handlers.get(type(event.msg), _unhandled)(new, ctx, event.src, event.msg)
    else:
        _happen(new, ctx, event)
    effects, ctx._effects = ctx._effects, _SEALED
"""
_TIMED = "if type(event) is At: ctx._at_ms, event = event.at_ms, event.event"
_LOG = """
    changes = []
    {stable}
    forced = bool(changes)
    {lazy}
    if changes:
        return new, (Persist(tuple(changes), forced), *effects)
"""
_FIELD = "if new.{0} is not self.{0}: _compare(changes, '{0}', self.{0}, new.{0})"
_RETURN = "    return new, tuple(effects)"


def _write_step(cls: type[Actor], handlers: Any, stable: Fields, lazy: Fields) -> Any:
    fields = ["\n    ".join(map(_FIELD.format, kind)) for kind in (stable, lazy)]
    log = _LOG.format(stable=fields[0], lazy=fields[1]) if stable or lazy else ""
    kinds = {"At": At, "Receive": Receive, "Persist": Persist}
    names = {**globals(), **kinds, "cls": cls, "handlers": handlers}
    begin = _STEP.format(timed=_TIMED if issubclass(cls, Timed) else "")
    exec(compile(begin + log + _RETURN, f"<step of {cls.__qualname__}>", "exec"), names)
    return names["step"]


def _unhandled(actor: Actor, ctx: Context, src: NodeId, msg: Message) -> None:
    ctx.ignore(f"no handler for {type(msg).__name__}")


def _happen(new: Actor, ctx: Context, event: Event) -> None:
    """What happens to an actor other than a message."""
    if type(event) is Timeout:
        new.on_timer(ctx, event.timer)
    elif type(event) is Choice:
        new.on_choice(ctx, event.key, event.value)
    elif type(event) is Start:
        new.on_start(ctx, event.recovered)
    elif type(event) is Stated:
        new.on_stated(ctx, event.role, event.fact)
    else:
        raise UsageError(f"{type(new).__name__} {new.me} cannot take {event!r}")


def _compare(changes: list[Change], field: str, old: Any, new: Any) -> None:
    if type(new) is Map:
        delta = new.delta_since(old)
        if delta.updated or delta.removed:
            changes.append(Change(field, delta))
        new.track()
    elif new != old:
        changes.append(Change(field, new))


_PLANS: dict[type[Actor], Plan] = {}


def plan_of(cls: type[Actor]) -> Plan:
    """The plan of an actor class, checked and built when it is first needed."""
    plan = _PLANS.get(cls)
    if plan is None:
        plan = _build(cls)
        if cls.step is Actor.step or any(cls.step is other.step for other in _PLANS.values()):
            cls.step = plan.step  # type: ignore[method-assign]  # and not one written by hand
        _PLANS[cls] = plan
    return plan


def _build(cls: type[Actor]) -> Plan:
    hints = typing.get_type_hints(cls, include_extras=True)
    durable: dict[str, list[str]] = {"stable": [], "lazy": []}
    for field in cls.__struct_fields__:
        if field != "me" and hasattr(Actor, field):
            raise UsageError(f"{cls.__name__}.{field} hides a method of Actor: call it otherwise")
        refuse_mutable(cls, field, hints[field], (Actor,))
        for note in getattr(hints[field], "__metadata__", ()):
            extra = getattr(note, "extra", None) or {}
            if "durable" in extra:
                durable[extra["durable"]].append(field)
    handlers: dict[type[Message], Callable[[Any, Context, NodeId, Any], None]] = {}
    messages: list[Any] = []
    given = _given(cls)
    for name, function in inspect.getmembers(cls, inspect.isfunction):
        if not name.startswith("on_") or hasattr(Actor, name):
            continue
        bound = typing.get_type_hints(function).get("m")
        is_union = typing.get_origin(bound) in (typing.Union, types.UnionType)
        for hint in typing.get_args(bound) if is_union else (bound,):
            kind = typing.get_origin(hint) or hint
            if not (isinstance(kind, type) and issubclass(kind, Message)):
                raise UsageError(
                    f"{cls.__name__}.{name}: annotate `m` with its message, not with {bound}"
                )
            if kind in handlers:
                raise UsageError(f"{cls.__name__} has two handlers for {kind.__name__}")
            _check_message(kind)
            handlers[kind] = function
            parameters = getattr(hint, "__parameters__", ())
            messages.append(hint[tuple(given[p] for p in parameters)] if parameters else hint)
    stable, lazy = tuple(durable["stable"]), tuple(durable["lazy"])
    logged, unlogged = (_write_step(cls, handlers, *of) for of in ((stable, lazy), ((), ())))
    return Plan(handlers, tuple(messages), stable, lazy, logged, unlogged)


def _given(cls: type[Actor]) -> dict[Any, Any]:
    """What a class, or one that it is made of, gives for the type variables of generic actors; a
    variable that nobody gives anything for stands for itself."""
    given: dict[Any, Any] = {}
    for each in cls.__mro__:
        for base in each.__dict__.get("__orig_bases__", ()):
            variables = getattr(typing.get_origin(base), "__parameters__", typing.get_args(base))
            for variable, argument in zip(variables, typing.get_args(base), strict=True):
                given.setdefault(variable, given.get(argument, argument))
    return given


def _check_message(kind: type[Message]) -> None:
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in kind.__struct_fields__:
        refuse_mutable(kind, field, hints[field], (Message,))
