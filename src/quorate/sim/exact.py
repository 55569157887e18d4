"""A run in which nothing is drawn: each fault strikes at the step, or the message, that it names.

Messages take 1 ms, and the same timer of the same node the same time in every run, so that two runs
are alike up to the first fault in which they differ: a table of faults is a table of runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import count

import msgspec

from quorate.kernel import (
    CancelTimer,
    Choice,
    Choose,
    Crash,
    Effect,
    Event,
    Happening,
    Header,
    NodeId,
    Receive,
    Record,
    Send,
    SetTimer,
    Start,
    Timeout,
    Trace,
    UsageError,
    World,
    address,
    core,
    digest,
    roles_of,
    unwrapped,
)
from quorate.kernel.effects import By
from quorate.sim.judge import Judge
from quorate.sim.script import is_timed
from quorate.sim.stage import Envelope, Impossible, Player, Stage, Step
from quorate.traces.words import describe, role_of

DELAY_MS = 1
UNTIL_MS = 60_000
HEADER = Header(protocol="", executor="sim")


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """The `nth` time that something happens at a node: `event` is the class of a message that
    arrives, the name of a timer, or "start"."""

    node: NodeId
    event: str
    nth: int = 1


class Down(msgspec.Struct, frozen=True, kw_only=True):
    """The node crashes: within that step, once `sent` of its sends have left; or after all of it
    (None); or `before` it. It is back `back_ms` later (None: never), with an empty disk if it
    `loses_disk`."""

    at: Moment
    sent: int | None = None
    before: bool = False
    back_ms: int | None = None
    loses_disk: bool = False


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """After that step the node handles nothing for a while, and then everything, in order."""

    at: Moment
    pause_ms: int


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """When messages arrive, in ms after they were sent: () never, (1, 1) twice.

    All of a class, or from one role, or to one ("": any), or only the `nth` of these (0: all). The
    first fate that fits a message is its own. `in_order`: what the same role sends to the same one
    afterwards does not overtake it.
    """

    arrives_ms: tuple[int, ...]
    message: str = ""
    src: NodeId = ""
    to: NodeId = ""
    nth: int = 0
    in_order: bool = False


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing that is sent from `since_ms` up to `until_ms` (0: ever after) passes between the
    roles of one `side` and all others; if it is `mute`, only what that side sends is lost."""

    side: frozenset[NodeId]
    since_ms: int = 0
    until_ms: int = 0
    mute: bool = False


Fault = Down | Pause | Fate | Split


class Ran(msgspec.Struct, frozen=True):
    """How a run went: its trace, what its judge saw, when it last changed anything, each step that
    was taken with its number of sends, and each message that was sent, as the fate that is its."""

    trace: Trace
    judge: Judge
    changed_ms: int
    steps: tuple[tuple[Moment, int], ...]
    messages: tuple[Fate, ...]


def run_exactly(
    world: World,
    faults: Iterable[Fault] = (),
    until_ms: int = UNTIL_MS,
    header: Header = HEADER,
) -> Ran:
    """Run a world with these faults up to a virtual time, or until nothing further can happen.

    Raises UsageError for a world whose roles read clocks, and for a fault that found no occasion:
    such a run would show nothing.
    """
    if is_timed(world):
        raise UsageError("a role of this world is Timed: its clock would have to be drawn")
    play = _Play(world, tuple(faults))
    play.run(until_ms)
    idle = [fault for fault in play.faults if fault not in play.struck]
    if idle:
        raise UsageError(f"this fault found no occasion: {idle[0]}")
    trace = Trace(header, tuple(play.records))
    return Ran(trace, play.stage.judge, play.changed_ms, tuple(play.steps), tuple(play.messages))


class _Play:
    """One run. Entries of the heap: (ms, number, node, event, cause); event None is a restart."""

    def __init__(self, world: World, faults: tuple[Fault, ...]) -> None:
        self.stage = Stage(world)
        self.faults = faults
        self.struck: set[Fault] = set()
        self.records: list[Record] = []
        self.steps: list[tuple[Moment, int]] = []
        self.messages: list[Fate] = []
        self.changed_ms = 0
        self._now_ms = 0
        self._heap: list[tuple[int, int, NodeId, Event, int | None]] = []
        self._number = count().__next__
        self._due: dict[tuple[NodeId, NodeId, str], int] = {}  # node, role, timer: its entry
        self._taken: Counter[Moment] = Counter()
        self._fitted: Counter[Fate] = Counter()
        self._sent: Counter[tuple[str, NodeId, NodeId]] = Counter()
        self._held_ms: dict[tuple[NodeId, NodeId], int] = {}  # until when a link brings nothing
        self._asleep_ms: dict[NodeId, int] = {}
        self._hosts = {
            role.me: player
            for player in self.stage.players.values()
            for role in roles_of(player.boot)
        }

    def run(self, until_ms: int) -> None:
        """Go on until a time, or until there is nothing left."""
        for node in self.stage.players:
            self._push(0, node, Start())
        while self._heap and self._heap[0][0] <= until_ms:
            at_ms, number, node, event, cause = heappop(self._heap)
            asleep_ms = self._asleep_ms.get(node, 0)
            if at_ms < asleep_ms:
                later = self._push(asleep_ms, node, event, cause)
                for timer, entry in self._due.items():
                    if entry == number:
                        self._due[timer] = later
                continue
            self._now_ms = at_ms
            if self._is_possible(number, node, event):
                self._take(node, event, cause)

    def _push(self, after_at_ms: int, node: NodeId, event: Event, cause: int | None = None) -> int:
        number = self._number()
        heappush(self._heap, (after_at_ms, number, node, event, cause))
        return number

    def _is_possible(self, number: int, node: NodeId, event: Event) -> bool:
        inner, player = core(event), self.stage.players[node]
        if isinstance(inner, Timeout):
            timer = (node, role_of(event, node), inner.timer)
            return self._due.get(timer) == number and self._due.pop(timer) == number
        return player.up or isinstance(inner, Start)

    def _take(self, node: NodeId, event: Event, cause: int | None) -> None:
        same = Moment(node=node, event=_name(event), nth=0)
        self._taken[same] += 1
        moment = msgspec.structs.replace(same, nth=self._taken[same])
        struck = [f for f in self.faults if isinstance(f, Down | Pause) and f.at == moment]
        self.struck.update(struck)
        down = next((fault for fault in struck if isinstance(fault, Down)), None)
        if down is None or (down.sent is None and not down.before):
            step = self._happen(node, event, cause)
            sends = sum(isinstance(unwrapped(effect), Send) for effect in step.effects)
            self.steps.append((moment, sends))
        if down is not None:
            during = None if down.before or down.sent is None else event
            self._crash(node, down, Crash(during, down.sent or 0), cause if during else None)
        for fault in struck:
            if isinstance(fault, Pause):
                self._asleep_ms[node] = self._now_ms + fault.pause_ms

    def _crash(self, node: NodeId, down: Down, crash: Crash, cause: int | None) -> None:
        try:
            self._happen(node, crash, cause)
        except Impossible as error:
            raise UsageError(f"this fault found no occasion ({error}): {down}") from None
        player = self.stage.players[node]
        self._due = {timer: entry for timer, entry in self._due.items() if timer[0] != node}
        if down.loses_disk:
            player.actor = player.boot
        if down.back_ms is not None:
            self._push(self._now_ms + down.back_ms, node, Start(recovered=True))

    def _happen(self, node: NodeId, event: Happening, cause: int | None) -> Step:
        step = self.stage.happen(node, event)
        crash = isinstance(event, Crash)
        effects = () if crash else step.effects
        line = describe(None if crash else step.before, event, step.after, effects)
        self.records.append(Record(self._now_ms * 1_000, node, event, digest(effects), line, cause))
        if step.before != step.after:
            self.changed_ms = self._now_ms
        player = self.stage.players[node]
        for effect in step.left:
            self._let_out(
                player, effect.role if isinstance(effect, By) else node, unwrapped(effect)
            )
        return step

    def _let_out(self, player: Player, role: NodeId, effect: Effect) -> None:
        match effect:
            case Send(to, msg) if to in self._hosts:
                host, event = self.stage.arrival((role, to, msg))
                for after_ms in self._fate((role, to, msg)):
                    at_ms = max(self._now_ms + after_ms, self._held_ms.get((role, to), 0))
                    at_ms = self._now_ms if host is player else at_ms
                    self._push(at_ms, host.boot.me, event, len(self.records) - 1)
            case SetTimer(timer, (least, most)):
                # Nodes differ, or else two that take turns would collide for ever.
                names = list(self.stage.players)
                share = (names.index(player.boot.me) + 1) / (len(names) + 1)
                event = address(player.boot, role, Timeout(timer))
                at_ms = self._now_ms + least + int((most - least) * share)
                self._due[player.boot.me, role, timer] = self._push(at_ms, player.boot.me, event)
            case CancelTimer(timer):
                self._due.pop((player.boot.me, role, timer), None)
            case Choose(key, options):
                choice = address(player.boot, role, Choice(key, options[0]))
                self._push(self._now_ms, player.boot.me, choice)
            case _:
                pass

    def _fate(self, envelope: Envelope) -> tuple[int, ...]:
        src, to, msg = envelope
        kind = type(msg).__name__
        self._sent[kind, src, to] += 1
        nth = self._sent[kind, src, to]
        self.messages.append(Fate(arrives_ms=(DELAY_MS,), message=kind, src=src, to=to, nth=nth))
        cuts = [f for f in self.faults if isinstance(f, Split) and self._is_cut(f, src, to)]
        if cuts:
            self.struck.update(cuts)
            return ()
        for fault in self.faults:
            if isinstance(fault, Fate) and _fits(fault, kind, src, to):
                self._fitted[fault] += 1
                if fault.nth in (0, self._fitted[fault]):
                    self.struck.add(fault)
                    if fault.in_order:
                        self._held_ms[src, to] = self._now_ms + max(fault.arrives_ms, default=0)
                    return fault.arrives_ms
        return (DELAY_MS,)

    def _is_cut(self, split: Split, src: NodeId, to: NodeId) -> bool:
        lasts = split.since_ms <= self._now_ms < (split.until_ms or self._now_ms + 1)
        crosses = (src in split.side) > (to in split.side) or (
            not split.mute and (src in split.side) < (to in split.side)
        )
        return lasts and crosses


def _fits(fate: Fate, kind: str, src: NodeId, to: NodeId) -> bool:
    return fate.message in ("", kind) and fate.src in ("", src) and fate.to in ("", to)


def _name(event: Event) -> str:
    """What a Moment calls it."""
    match core(event):
        case Receive(_, msg):
            return type(msg).__name__
        case Timeout(timer):
            return timer
        case Choice(key, _):
            return key
        case _:
            return "start"
