"""A world on a table: messages go where a test lets them go, and time-outs come when it says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quorate.kernel import (
    Actor,
    CancelTimer,
    Effect,
    Fact,
    Message,
    NodeId,
    Output,
    Receive,
    Send,
    SetTimer,
    Start,
    Timeout,
    World,
)

Letter = tuple[NodeId, NodeId, Message]


class Cast:
    """The processes of a world, by name; what they sent that has not arrived; what they stated."""

    def __init__(self, world: World) -> None:
        self.actors: dict[NodeId, Any] = {actor.me: actor for actor in world.processes}
        self.boots: dict[NodeId, Actor] = dict(self.actors)
        self.post: list[Letter] = []
        self.sent: list[Letter] = []
        self.facts: list[tuple[NodeId, Fact]] = []
        self.timers: dict[tuple[NodeId, str], tuple[int, int]] = {}
        for name in self.actors:
            self.take(name, Start())

    def take(self, name: NodeId, event: Any) -> tuple[Effect, ...]:
        """One step of a process; what it did."""
        self.actors[name], effects = self.actors[name].step(event)
        for effect in effects:
            if type(effect) is Send:
                self.post.append((name, effect.to, effect.msg))
                self.sent.append((name, effect.to, effect.msg))
            elif type(effect) is Output:
                self.facts.append((name, effect.fact))
            elif type(effect) is SetTimer:
                self.timers[name, effect.timer] = effect.after_ms
            elif type(effect) is CancelTimer:
                self.timers.pop((name, effect.timer), None)
        return effects

    def say(self, src: NodeId, to: NodeId, msg: Message) -> tuple[Effect, ...]:
        """Let a message arrive, whoever is said to have sent it."""
        return self.take(to, Receive(src, msg))

    def run(self, lost: Callable[[NodeId, NodeId, Message], bool] = lambda *_: False) -> None:
        """Let all that is sent arrive, in order, but for what is lost."""
        while self.post:
            src, to, msg = self.post.pop(0)
            if to in self.actors and not lost(src, to, msg):
                self.say(src, to, msg)

    def ring(self, name: NodeId, timer: str) -> tuple[Effect, ...]:
        """Let a timer run out that is armed."""
        del self.timers[name, timer]
        return self.take(name, Timeout(timer))

    def restart(self, name: NodeId) -> None:
        """Crash a process, and let it recover."""
        self.timers = {key: after for key, after in self.timers.items() if key[0] != name}
        self.actors[name] = self.actors[name].restart(self.boots[name])
        self.take(name, Start(recovered=True))

    def stated(self, kind: type[Fact]) -> list[tuple[NodeId, Any]]:
        """Facts of one kind."""
        return [(name, fact) for name, fact in self.facts if type(fact) is kind]
