"""Roles that share a crash."""

from __future__ import annotations

import pytest

from quorate.kernel import (
    Actor,
    At,
    By,
    Change,
    Context,
    Fact,
    For,
    Lazy,
    Message,
    NodeId,
    Output,
    Persist,
    Process,
    ProtocolBug,
    Receive,
    Send,
    Stable,
    Start,
    Timed,
    Timeout,
    UsageError,
    address,
    forces,
    instance,
    messages_of,
    roles_of,
    unforced_after,
)


class Ask(Message, frozen=True):
    number: int


class Answer(Message, frozen=True):
    number: int


class Learned(Fact, frozen=True):
    number: int


class Asker(Actor):
    helper: NodeId
    known: Stable[int] = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.send(self.helper, Ask(1))
        ctx.send("elsewhere", Ask(2))

    def on_answer(self, ctx: Context, src: NodeId, m: Answer) -> None:
        self.known = m.number
        ctx.output(Learned(m.number))


class Helper(Actor):
    asked: Stable[int] = 0
    last: Lazy[int] = 0
    volatile: int = 0

    def on_ask(self, ctx: Context, src: NodeId, m: Ask) -> None:
        self.asked += 1
        self.last = m.number
        self.volatile += 1
        ctx.send(src, Answer(m.number))


class Clock(Timed):
    read_ms: int = 0

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.read_ms = ctx.at_ms


class Restless(Actor):
    def on_ask(self, ctx: Context, src: NodeId, m: Ask) -> None:
        ctx.send(self.me, m)


def pair() -> Process:
    return Process("n", (Asker("a", "h"), Helper("h")))


def test_roles_of_one_process_talk_within_the_step_and_writes_come_first() -> None:
    process, effects = pair().step(Start())
    assert effects == (
        By("h", Persist((Change("asked", 1), Change("last", 1)))),
        By("a", Persist((Change("known", 1),))),
        By("a", Send("elsewhere", Ask(2))),
        By("a", Output(Learned(1))),
    )
    assert process.actors == (Asker("a", "h", 1), Helper("h", 1, 1, 1))


def test_an_event_for_one_role_reaches_no_other() -> None:
    process, effects = pair().step(For("h", Receive("x", Ask(5))))
    assert process.actors[0] == Asker("a", "h")
    assert effects[-1] == By("h", Send("x", Answer(5)))


def test_a_step_of_a_process_leaves_it_as_it_was() -> None:
    process = pair()
    process.step(Start())
    assert process == pair()


def test_a_process_refuses_an_event_without_an_address() -> None:
    with pytest.raises(UsageError, match=r"process n has roles: wrap Receive.* in For"):
        pair().step(Receive("x", Ask(1)))


def test_roles_that_send_to_each_other_without_end_are_a_bug() -> None:
    with pytest.raises(ProtocolBug, match="process n: its roles send to each other without end"):
        Process("n", (Restless("r"),)).step(For("r", Receive("x", Ask(1))))


def test_a_restarted_process_keeps_the_stable_fields_of_every_role() -> None:
    lived, _ = pair().step(Start())
    boot = Process("n", (Asker("a", "h"), Helper("h", volatile=9)))
    assert lived.restart(boot).actors == (Asker("a", "h", 1), Helper("h", 1, 1, 9))


def test_a_restarted_process_may_lose_lazy_fields_back_to_an_earlier_image() -> None:
    lived, _ = pair().step(Start())
    restarted = lived.restart(pair(), pair().lazy())
    assert restarted.actors == (Asker("a", "h", 1), Helper("h", 1, 0, 0))


def test_the_clock_reaches_the_timed_role_only() -> None:
    process = Process("n", (Clock("c"), Helper("h")))
    after, _ = process.step(At(42, For("c", Timeout("t"))))
    assert after.actors[0] == Clock("c", 42)
    after, _ = process.step(At(42, For("h", Receive("x", Ask(1)))))
    assert after.actors[1] == Helper("h", 1, 1, 1)


def test_executors_see_the_roles_of_a_node_and_wrap_events_for_a_process_alone() -> None:
    helper = Helper("h")
    assert roles_of(helper) == (helper,)
    assert [role.me for role in roles_of(pair())] == ["a", "h"]
    assert address(helper, "h", Start()) == Start()
    assert address(pair(), "h", Start()) == For("h", Start())


def test_a_step_forces_when_one_of_its_writes_is_forced() -> None:
    lazily = Persist((Change("last", 1),), forced=False)
    assert not forces((lazily, Send("x", Ask(1))))
    assert forces((lazily, Persist((Change("asked", 1),))))
    assert forces((By("h", Persist((Change("asked", 1),))),))


def test_unforced_writes_pile_up_until_a_forced_one_settles_them() -> None:
    class Scribe(Actor):
        draft: Lazy[int] = 0
        final: Stable[int] = 0

        def on_timer(self, ctx: Context, timer: str) -> None:
            if timer == "force":
                self.final += 1
            if timer == "write":
                self.draft += 1

    actor, unforced = Scribe("n"), ()
    history = []
    for timer in ("write", "nothing", "write", "force"):
        after, effects = actor.step(Timeout(timer))
        unforced = unforced_after(unforced, actor, effects)
        actor = after
        history.append(unforced)
    assert history == [((0,),), ((0,),), ((0,), (1,)), ()]


def test_the_messages_of_actors_are_listed_by_name() -> None:
    assert messages_of((pair(), Restless("r"))) == (Answer, Ask)


class Reporter(Actor):
    heard: tuple[tuple[NodeId, int], ...] = ()

    def on_stated(self, ctx: Context, role: NodeId, fact: Fact) -> None:
        assert isinstance(fact, Learned)
        self.heard = (*self.heard, (role, fact.number))
        ctx.output(Learned(10 * fact.number))


def test_what_an_instance_states_is_told_to_the_role_that_runs_it_and_to_nobody_else() -> None:
    inner = instance("r", "ask")
    process = Process("node", (Reporter("r"), Asker(inner, "h"), Helper("h")))
    after, effects = process.step(For(inner, Start()))
    assert after.actors[0] == Reporter("r", ((inner, 1),))
    outputs = [effect for effect in effects if type(effect.effect) is Output]  # type: ignore
    assert outputs == [By("r", Output(Learned(10)))]


def test_a_role_that_nobody_runs_states_to_the_outside_world() -> None:
    process = Process("node", (Asker(instance("elsewhere", "ask"), "h"), Helper("h")))
    _, effects = process.step(For("elsewhere.ask", Start()))
    assert By("elsewhere.ask", Output(Learned(1))) in effects
