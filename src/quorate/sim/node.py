"""A process in the simulated world: its actor, and what the world does to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from quorate.kernel import Actor, Event, NodeId, Timed, plan_of, roles_of
from quorate.sim.disk import Disk

ENDLESS = "it sends to itself without end"

Timer = tuple[NodeId, str]  # role, name
Due = tuple[int, int]  # time in µs, sequence number


class Node:
    """One process. It hears what reaches it while it is `awake`: up, and not paused."""

    __slots__ = (
        "actor", "alarms", "awake", "blocked", "boot", "disk", "doomed", "dying", "failing", "full",
        "fuse", "gone", "held_until", "incarnation", "index", "lag_us", "last_life", "lazy",
        "local", "may_fail", "me", "missed", "pace", "plain", "skew_us", "step", "timed", "timers",
        "undurable", "unforced", "unheard", "up",
    )  # fmt: skip

    def __init__(self, index: int, boot: Actor, may_fail: bool) -> None:
        roles = roles_of(boot)
        self.index = index
        self.boot = self.actor = boot
        self.me = boot.me
        self.may_fail = may_fail
        self.plain = roles == (boot,)
        self.timed = any(isinstance(role, Timed) for role in roles)
        self.lazy = any(plan_of(type(role)).lazy for role in roles)
        self.step: Callable[[Any, Event], tuple[Any, Any]] = type(boot).step
        self.pace, self.skew_us = 1.0, 0
        self.lag_us = 0  # how late it handles whatever reaches it
        self.up = self.awake = True
        self.gone = False  # once it is down, it never returns
        self.fuse = 0  # so many steps more, and it goes down
        self.last_life = False  # and that for good
        self.disk: Disk | None = None  # only where its bytes matter
        self.full = False  # its disk takes no more
        self.failing = False  # its next forced write fails
        self.incarnation = 0
        self.unforced: tuple[Any, ...] = ()
        self.forget()

    @property
    def simple(self) -> bool:
        """Whether events need no wrapping."""
        return self.plain and not self.timed

    def log_nothing(self) -> None:
        """Nothing here will ever crash: do not work out what a step would have to write."""
        plan = plan_of(type(self.boot))
        if self.step is plan.step:  # and not one of its own, as adversaries and processes have
            self.step = plan.step_unlogged

    def forget(self) -> None:
        """Whatever a crash takes besides the actor's own volatile state."""
        self.doomed = False  # it will crash within its next step
        self.blocked = False  # it stands still in the middle of its sends, and so is not awake
        self.dying = False  # it is doing so, as soon as what it wrote is on disk
        self.timers: dict[Timer, Due] = {}  # to when it runs out
        self.alarms: dict[Timer, Due] = {}  # to the entry of the calendar that will come for it
        self.local: deque[Event] = deque()  # from itself: comes before anything else
        self.missed: list[tuple[Any, ...]] = []  # entries that came while it was paused
        self.held_until = 0  # sends and outputs leave no earlier: a forced write is under way
        self.unheard = 0  # the latest steps whose sends and outputs have not left yet
        # Forced writes under way: when each ends, and what a crash before that would find.
        self.undurable: deque[tuple[int, Actor, tuple[Any, ...]]] = deque()

    def arm(self, timer: Timer, due: Due) -> bool:
        """Set a timer. True when it needs an entry in the calendar: a timer is mostly armed again
        before it runs out, and its earlier entry, when it comes, is then put off to the new time.
        """
        self.timers[timer] = due
        earlier = self.alarms.get(timer)
        if earlier is not None and earlier <= due:
            return False
        self.alarms[timer] = due
        return True

    def rang(self, timer: Timer, number: int) -> Due | None:
        """An entry came for a timer: the time that it has been put off to, if it has."""
        if self.alarms.get(timer, (0, 0))[1] != number:
            return None
        due = self.timers.get(timer)
        if due is None or due[1] == number:
            del self.alarms[timer]
            return None
        self.alarms[timer] = due
        return due

    def clock_ms(self, now_us: int) -> int:
        """What this node's own clock shows."""
        return int(now_us * self.pace + self.skew_us) // 1000

    def durable(self, now_us: int) -> None:
        """Forced writes that have ended cannot be undone any more."""
        while self.undurable and self.undurable[0][0] <= now_us:
            self.undurable.popleft()

    def crash_image(self, undone: int, pick: int) -> Actor:
        """What a restart finds when the last `undone` forced writes were lost, and of the images
        of lazy fields that are then possible (oldest first) number `pick` is on disk."""
        actor, unforced = self.actor, self.unforced
        if undone:
            _, actor, unforced = self.undurable[-undone]
        return actor.restart(self.boot, (*unforced, actor.lazy())[pick])

    def images(self, undone: int) -> int:
        """How many images of lazy fields are possible after such a crash."""
        unforced = self.undurable[-undone][2] if undone else self.unforced
        return len(unforced) + 1
