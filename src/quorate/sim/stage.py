"""A world in which recorded events happen again, each only if it is possible there and then.

Messages stay deliverable once sent, so loss, duplication and reordering need no event of their own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from quorate.adversary import embodied, is_faithful
from quorate.kernel import (
    Actor,
    By,
    CancelTimer,
    Choice,
    Choose,
    Crash,
    Effect,
    Event,
    Fact,
    Happening,
    Ignore,
    NodeId,
    Output,
    Receive,
    Send,
    SetTimer,
    Start,
    Timed,
    Timeout,
    UsageError,
    World,
    address,
    core,
    roles_of,
    until_send,
    unwrapped,
)
from quorate.sim.judge import Judge
from quorate.traces.life import Life
from quorate.traces.words import role_of

AGAIN_MAX = 1_000  # messages that lead to nothing but messages; more may be without end
Envelope = tuple[NodeId, NodeId, Any]
"""Sender, receiver, message."""


class Impossible(Exception):
    """This cannot happen here and now; the text says why not."""


class Step(NamedTuple):
    """What an event led to: `left` are the effects that others, or the node itself, come to see."""

    before: Actor
    after: Actor
    effects: tuple[Effect, ...]
    left: tuple[Effect, ...]
    error: Exception | None = None


class Player(Life):
    """A process on the stage."""

    def __init__(self, boot: Actor) -> None:
        super().__init__(boot)
        self.started = self.up = False
        self.armed: dict[tuple[NodeId, str], tuple[int, int]] = {}
        self.offered: dict[tuple[NodeId, str], tuple[int | str, ...]] = {}

    def check(self, role: NodeId, event: Any) -> None:
        """Raise Impossible unless `event` may happen now; what the event uses up is gone."""
        if isinstance(event, Start):
            if self.up:
                raise Impossible("it is up already")
            if event.recovered != self.started:
                raise Impossible("it has crashed" if self.started else "it has never crashed")
            self.started = self.up = True
        elif not self.up:
            raise Impossible("it is down" if self.started else "it has not started")
        if isinstance(event, Timeout) and self.armed.pop((role, event.timer), None) is None:
            raise Impossible(f"its timer {event.timer} was not armed")
        if isinstance(event, Choice):
            if event.value not in self.offered.get((role, event.key), ()):
                raise Impossible("that choice was not offered")
            del self.offered[role, event.key]

    def crash(self, event: Crash) -> None:
        super().crash(event)
        self.up = False
        self.armed, self.offered = {}, {}


class Stage:
    """The players, what they have sent and stated, and the judge of it.

    `waiting` are the messages that have not arrived since they were last sent.
    """

    def __init__(self, world: World) -> None:
        world = embodied(world)
        self.players = {process.me: Player(process) for process in world.processes}
        self.sent: set[Envelope] = set()
        self.waiting: dict[Envelope, None] = {}
        self.stated: list[tuple[NodeId, Fact]] = []
        self.judge = Judge(world, self._roles)
        self._hosts = {name: world.processes[i].me for name, i in world.hosts().items()}

    def _roles(self) -> dict[NodeId, Actor]:
        return {
            role.me: role
            for player in self.players.values()
            if (player.up or not player.started) and is_faithful(player.actor)
            for role in roles_of(player.actor)
        }

    def state(self) -> tuple[Any, ...]:
        """What every node is, and may do by itself."""
        return tuple(
            (me, node.actor, node.up, frozenset(node.armed), frozenset(node.offered.items()))
            for me, node in self.players.items()
        )

    def happen(self, node: NodeId, event: Happening, heard: bool = True) -> Step:
        """Let `event` happen at a node; its sends and outputs leave it only if they are `heard`.

        Raises Impossible. An error in a handler is for the judge.
        """
        player = self.players.get(node)
        if player is None:
            raise Impossible("there is no such node")
        before = player.actor
        if isinstance(event, Crash):
            effects = self._crash(player, event)
            return Step(before, player.actor, (), effects)
        try:
            effects = self._step(player, event)
        except (Impossible, UsageError):
            raise
        except Exception as error:
            self.judge.fail(node, error)
            return Step(before, before, (), (), error)
        left = effects if heard else tuple(e for e in effects if _stays(e))
        self._apply(player, left)
        return Step(before, player.actor, effects, left)

    def _crash(self, player: Player, event: Crash) -> tuple[Effect, ...]:
        left: tuple[Effect, ...] = ()
        if event.during is not None:
            effects = self._step(player, event.during)
            sends = sum(isinstance(unwrapped(effect), Send) for effect in effects)
            if event.sent >= sends:
                raise Impossible(f"it sends {sends} messages there, not more")
            left = until_send(effects, event.sent)
            self._apply(player, left)
        elif not player.up:
            raise Impossible("it is down" if player.started else "it has not started")
        player.crash(event)
        return left

    def _step(self, player: Player, event: Event) -> tuple[Effect, ...]:
        inner, role = core(event), role_of(event, player.boot.me)
        if isinstance(inner, Receive):
            envelope = (inner.src, role, inner.msg)
            if envelope not in self.sent:
                raise Impossible("that message had not been sent")
            player.check(role, inner)
            self.waiting.pop(envelope, None)
        else:
            player.check(role, inner)
        return player.step(event)

    def _apply(self, player: Player, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            role = effect.role if isinstance(effect, By) else player.boot.me
            match unwrapped(effect):
                case Send(to, msg):
                    self.sent.add((role, to, msg))
                    if to in self._hosts:
                        self.waiting[role, to, msg] = None
                case SetTimer(timer, after_ms):
                    player.armed[role, timer] = after_ms
                case CancelTimer(timer):
                    player.armed.pop((role, timer), None)
                case Choose(key, options):
                    player.offered[role, key] = options
                case Output(fact):
                    self.stated.append((role, fact))
                    self.judge.fact(role, fact)
                case _:
                    pass
        if self.judge.due:
            self.judge.states()

    def arrival(self, envelope: Envelope) -> tuple[Player, Event]:
        """Whom a message that was sent is for, and its arrival there."""
        src, to, msg = envelope
        player = self.players[self._hosts[to]]
        return player, address(player.boot, to, Receive(src, msg))

    def at_rest(self) -> bool:
        """Whether nothing further can happen: whatever still arrives or rings, or would be sent if
        it did, leaves every node as it is, as when somebody asks again and again. A traitor never
        rests, and does not count."""
        ahead = [self.arrival(envelope) for envelope in self.waiting]
        for player in self.players.values():
            if is_faithful(player.actor):
                if not player.started or player.offered:
                    return False
                ahead += [
                    (player, address(player.boot, role, Timeout(timer)))
                    for role, timer in player.armed
                ]
        again: set[Envelope] = set()
        while ahead and len(again) <= AGAIN_MAX:
            player, event = ahead.pop()
            if not player.up:
                continue
            repeated = self._repeats(player, event)
            if repeated is None:
                return False
            ahead += [self.arrival(envelope) for envelope in repeated - again]
            again |= repeated
        return not ahead

    def _repeats(self, player: Player, event: Event) -> set[Envelope] | None:
        """What a player would send; None if `event` changed anything else."""
        if any(isinstance(role, Timed) for role in roles_of(player.actor)):
            return None
        after, effects = player.actor.step(event)
        inner, here = core(event), role_of(event, player.boot.me)
        rung = {(here, inner.timer)} if isinstance(inner, Timeout) else set()
        repeated: set[Envelope] = set()
        for effect in effects:
            role = effect.role if isinstance(effect, By) else player.boot.me
            match unwrapped(effect):
                case Send(to, msg):
                    repeated |= {(role, to, msg)} if to in self._hosts else set()
                case SetTimer(timer) if (role, timer) in player.armed:
                    rung.discard((role, timer))
                case CancelTimer(timer) if (role, timer) not in player.armed:
                    pass
                case Output(fact) if (role, fact) in self.stated:
                    pass
                case Ignore():
                    pass
                case _:
                    return None
        return None if rung or after != player.actor else repeated


def _stays(effect: Effect) -> bool:
    return not isinstance(unwrapped(effect), Send | Output)
