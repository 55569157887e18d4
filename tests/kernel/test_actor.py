"""What a step promises: purity, a sealed context, derived writes, handlers bound by annotation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
import pytest

from quorate.kernel import (
    Actor,
    At,
    CancelTimer,
    Change,
    Choice,
    Choose,
    Context,
    Crash,
    Delta,
    Fact,
    Ignore,
    Lazy,
    Map,
    Message,
    NodeId,
    Output,
    Persist,
    Receive,
    Send,
    SetTimer,
    Stable,
    Start,
    Timed,
    Timeout,
    UsageError,
    messages_of,
    plan_of,
)


class Add(Message, frozen=True):
    amount: int


class Note(Message, frozen=True):
    text: str


class Put(Message, frozen=True):
    key: int
    value: str


class Both(Message, frozen=True):
    amount: int


class Leak(Message, frozen=True):
    pass


class Spread(Message, frozen=True):
    nodes: frozenset[NodeId]


class Counted(Fact, frozen=True):
    total: int


LEAKED: list[Context] = []


class Counter(Actor):
    total: Stable[int] = 0
    notes: Lazy[tuple[str, ...]] = ()
    table: Stable[Map[int, str]] = Map()
    seen: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("tick", (1, 2))
        ctx.choose("coin", (0, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        ctx.cancel_timer(timer)

    def on_choice(self, ctx: Context, key: str, value: int | str) -> None:
        ctx.ignore(f"{key} fell on {value}")

    def on_add(self, ctx: Context, src: NodeId, m: Add) -> None:
        ctx.send(src, Note("adding"))
        self.seen += 1
        self.total += m.amount
        ctx.output(Counted(self.total))

    def on_note(self, ctx: Context, src: NodeId, m: Note) -> None:
        self.notes += (m.text,)

    def on_put(self, ctx: Context, src: NodeId, m: Put) -> None:
        self.table = self.table.put(m.key, m.value)

    def on_both(self, ctx: Context, src: NodeId, m: Both) -> None:
        self.notes += ("both",)
        self.total += m.amount

    def on_leak(self, ctx: Context, src: NodeId, m: Leak) -> None:
        LEAKED.append(ctx)

    def on_spread(self, ctx: Context, src: NodeId, m: Spread) -> None:
        ctx.broadcast(m.nodes, Add(1))
        ctx.broadcast(("z", "y"), Add(2))


def receive(msg: Message) -> Receive:
    return Receive("x", msg)


def test_a_step_leaves_the_actor_it_was_taken_from_as_it_was() -> None:
    before = Counter("n")
    after, _ = before.step(receive(Add(3)))
    assert (before.total, before.seen) == (0, 0)
    assert (after.total, after.seen) == (3, 1)


def test_the_same_step_taken_twice_gives_the_same_actor_and_effects() -> None:
    actor = Counter("n")
    first, second = actor.step(receive(Add(3))), actor.step(receive(Add(3)))
    assert first == second
    assert hash(first[0]) == hash(second[0])


def test_actors_of_different_classes_with_the_same_fields_are_different_values() -> None:
    class Other(Counter):
        pass

    assert Other("n") != Counter("n")
    assert hash(Other("n")) != hash(Counter("n"))


def test_the_write_comes_before_the_sends_and_outputs_of_its_step() -> None:
    _, effects = Counter("n").step(receive(Add(3)))
    assert effects == (
        Persist((Change("total", 3),)),
        Send("x", Note("adding")),
        Output(Counted(3)),
    )


def test_a_stable_field_that_keeps_its_value_is_not_written() -> None:
    _, effects = Counter("n").step(receive(Add(0)))
    assert effects == (Send("x", Note("adding")), Output(Counted(0)))


def test_a_change_of_lazy_fields_alone_is_written_without_forcing() -> None:
    _, effects = Counter("n").step(receive(Note("a")))
    assert effects == (Persist((Change("notes", ("a",)),), forced=False),)


def test_a_change_of_stable_and_lazy_fields_is_one_forced_write() -> None:
    _, effects = Counter("n").step(receive(Both(2)))
    assert effects == (Persist((Change("total", 2), Change("notes", ("both",)))),)


def test_a_map_is_written_by_its_changed_keys() -> None:
    first, whole = Counter("n").step(receive(Put(1, "a")))
    _, delta = first.step(receive(Put(2, "b")))
    assert whole == (Persist((Change("table", Delta(((1, "a"),))),)),)
    assert delta == (Persist((Change("table", Delta(((2, "b"),))),)),)


def test_an_actor_without_durable_fields_never_writes() -> None:
    class Volatile(Actor):
        count: int = 0

        def on_timer(self, ctx: Context, timer: str) -> None:
            self.count += 1

    after, effects = Volatile("n").step(Timeout("t"))
    assert (after.count, effects) == (1, ())


def test_start_timers_and_choices_reach_their_handlers() -> None:
    actor = Counter("n")
    assert actor.step(Start())[1] == (SetTimer("tick", (1, 2)), Choose("coin", (0, 1)))
    assert actor.step(Timeout("tick"))[1] == (CancelTimer("tick"),)
    assert actor.step(Choice("coin", 1))[1] == (Ignore("coin fell on 1"),)


def test_a_broadcast_follows_a_tuple_and_sorts_a_set() -> None:
    _, effects = Counter("n").step(receive(Spread(frozenset({"c", "a", "b"}))))
    assert effects == (
        Send("a", Add(1)),
        Send("b", Add(1)),
        Send("c", Add(1)),
        Send("z", Add(2)),
        Send("y", Add(2)),
    )


def test_a_message_without_a_handler_is_dropped_aloud() -> None:
    _, effects = Counter("n").step(receive(Unknown()))
    assert effects == (Ignore("no handler for Unknown"),)


def test_a_context_kept_beyond_its_step_refuses_to_be_used() -> None:
    LEAKED.clear()
    Counter("n").step(receive(Leak()))
    with pytest.raises(UsageError, match="after its step had ended"):
        LEAKED[0].send("x", Add(1))


def test_a_crash_is_no_event_of_an_actor() -> None:
    with pytest.raises(UsageError, match=r"Counter n cannot take Crash"):
        Counter("n").step(Crash())  # type: ignore[arg-type]


def test_a_misspelt_field_is_an_error() -> None:
    with pytest.raises(AttributeError):
        Counter("n").totl = 1  # type: ignore[attr-defined]


def test_a_timed_actor_reads_its_clock_and_others_have_none() -> None:
    class Clock(Timed):
        read: int = 0

        def on_timer(self, ctx: Context, timer: str) -> None:
            self.read = ctx.at_ms

    assert Clock("n").step(At(42, Timeout("t")))[0].read == 42
    with pytest.raises(UsageError, match="n is not Timed"):
        Clock("n").step(Timeout("t"))
    with pytest.raises(UsageError, match=r"Counter n cannot take At"):
        Counter("n").step(At(42, Timeout("t")))


def test_a_restart_keeps_stable_fields_and_takes_the_rest_from_the_boot_image() -> None:
    boot = Counter("n", seen=7)
    lived = Counter("n", total=5, notes=("a",), seen=9)
    assert lived.restart(boot) == Counter("n", total=5, notes=("a",), seen=7)


def test_a_restart_may_bring_back_an_older_value_of_lazy_fields() -> None:
    lived = Counter("n", total=5, notes=("a", "b"))
    assert lived.restart(Counter("n"), ((("a",)),)) == Counter("n", total=5, notes=("a",))


class Unknown(Message, frozen=True):
    pass


class Open(msgspec.Struct):
    """A Struct that is not frozen."""

    value: int


class Holder(msgspec.Struct, frozen=True):
    """Frozen, but not all the way down."""

    values: list[int]


@dataclass(frozen=True)
class Plain:
    value: int


@pytest.mark.parametrize(
    "kind",
    [
        list[int],
        set[int],
        dict[int, int],
        bytearray,
        tuple[list[int], ...],
        int | set[int],
        Map[int, list[int]],
        Open,
        Plain,
        Any,
        object,
    ],
    ids=str,
)
def test_a_field_that_may_hold_a_mutable_value_is_refused_by_class_and_name(kind: Any) -> None:
    broken = msgspec.defstruct("Broken", [("field", kind)], bases=(Actor,))
    with pytest.raises(UsageError, match=r"^Broken\.field has type .*mutable"):
        broken("n", None).step(Start())


def test_a_mutable_field_inside_a_frozen_struct_is_refused_where_it_stands() -> None:
    broken = msgspec.defstruct("Broken", [("field", Holder)], bases=(Actor,))
    with pytest.raises(UsageError, match=r"^Holder\.values has type"):
        broken("n", None).step(Start())


class Loose(Message, frozen=True):
    items: list[int]


def test_a_message_that_may_hold_a_mutable_value_is_refused() -> None:
    class Reader(Actor):
        def on_loose(self, ctx: Context, src: NodeId, m: Loose) -> None: ...

    with pytest.raises(UsageError, match=r"^Loose\.items has type"):
        Reader("n").step(Start())


def test_one_handler_may_take_several_messages() -> None:
    class Either(Actor):
        def on_either(self, ctx: Context, src: NodeId, m: Add | Note) -> None: ...

    assert set(plan_of(Either).handlers) == {Add, Note}


P = TypeVar("P", bound=Message)


class Parcel(Message, Generic[P], frozen=True):
    content: P


class Porter(Actor, Generic[P]):
    def on_parcel(self, ctx: Context, src: NodeId, m: Parcel[P]) -> None:
        ctx.send(src, m.content)


class Adder(Porter[Add]):
    pass


def test_a_generic_message_is_handled_and_read_as_what_its_actor_is_made_of() -> None:
    _, effects = Adder("n").step(Receive("m", Parcel(Add(1))))
    assert effects == (Send("m", Add(1)),)
    assert messages_of((Adder("n"),)) == (Parcel[Add],)
    text = msgspec.json.encode(Parcel(Add(1)))
    assert msgspec.json.decode(text, type=messages_of((Adder("n"),))[0]) == Parcel(Add(1))


def test_a_handler_without_a_message_annotation_is_refused_by_name() -> None:
    class Bare(Actor):
        def on_add(self, ctx: Context, src: NodeId, m) -> None: ...  # type: ignore[no-untyped-def]

    class Wrong(Actor):
        def on_add(self, ctx: Context, src: NodeId, m: int) -> None: ...

    for kind in (Bare, Wrong):
        with pytest.raises(UsageError, match=rf"^{kind.__name__}\.on_add: annotate `m`"):
            kind("n").step(Start())


def test_two_handlers_for_one_message_are_refused() -> None:
    class Twice(Actor):
        def on_add(self, ctx: Context, src: NodeId, m: Add) -> None: ...

        def on_sum(self, ctx: Context, src: NodeId, m: Add) -> None: ...

    with pytest.raises(UsageError, match="Twice has two handlers for Add"):
        Twice("n").step(Start())


def test_a_field_that_hides_a_method_of_every_actor_is_refused() -> None:
    broken = msgspec.defstruct("Broken", [("step", int)], bases=(Actor,))
    with pytest.raises(UsageError, match=r"^Broken\.step hides a method of Actor"):
        plan_of(broken)
