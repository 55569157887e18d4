"""What the simulated world does to nodes and messages."""

from __future__ import annotations

import enum
import random
from typing import Any

import msgspec

from quorate.kernel import UsageError, World
from quorate.sim.partitions import Shape
from quorate.sim.topology import FULL, GRAPHS, is_topology

CHANCES = ("loss", "duplicate", "slow", "mid_step", "torn", "bit_rot", "misdirected")
RANGES = ("delay_us", "lag_us", "full_ms", "down_ms", "pause_ms", "partition_ms")


GROUPS = (
    ("loss", "duplicate"),
    ("slow",),
    ("timing",),
    ("topology", "link_buffer", "link_full"),
    ("slow_nodes",),
    ("disk_us",),
    ("disk_full_rate", "disk_error_rate", "torn", "bit_rot", "misdirected"),
    ("crash_rate", "crash_points"),
    ("stop_rate",),
    ("pause_rate",),
    ("partition_rate",),
)
"""Faults that a swarm leaves out together."""


class Timing(enum.Enum):
    """What may be relied on about the time that a message takes."""

    UNIFORM = "uniform"  # evenly spread over `delay_us`, but for a share `slow`; nodes do not know
    SYNCHRONOUS = "synchronous"  # never more than `delay_us` allows, so nodes may count on it
    PARTIAL = "partial"  # synchronous from `gst_ms` on, asynchronous before
    ASYNCHRONOUS = "asynchronous"  # always finite, but without bound


class WhenFull(enum.Enum):
    """What becomes of a message for which a bounded link has no room."""

    BLOCK = "block"  # whoever has it waits with it: nothing is lost, but all may come to a stop
    DROP = "drop"  # it is lost: something is, but whoever sends can go on and send again


class Scheduler(enum.Enum):
    """How the order of messages is drawn."""

    RANDOM = "random"  # each message takes a delay of its own
    PCT = "pct"  # chains of messages have priorities, which change at few points


WORDS: dict[str, type[enum.Enum]] = {
    "scheduler": Scheduler,
    "timing": Timing,
    "link_full": WhenFull,
    "partition_shapes": Shape,
}


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Knobs; none is turned unless set. Rates are events per virtual second over the whole world,
    and times are inclusive ranges to draw from. Raises UsageError for what cannot be."""

    loss: float = 0.0  # probability that a message is lost
    duplicate: float = 0.0  # probability that a message arrives twice
    scheduler: Scheduler = Scheduler.RANDOM
    depth: int = 3  # of "pct": one more than there are points at which a priority changes
    timing: Timing = Timing.UNIFORM
    delay_us: tuple[int, int] = (500, 2_000)
    gst_ms: int = 10_000  # global stabilisation time, of partially synchronous links
    slow: float = 0.0  # probability that a message takes up to `slow_us` longer: reordering
    slow_us: int = 500_000
    strobe_ms: int = 0  # all clocks agree, and timers ring only at multiples of this: lock-step
    topology: str = FULL  # the graph of links, by name or as a list: n1-n2,n2-n3
    link_buffer: int = 0  # how many messages a link of the graph holds; 0: any number
    link_full: WhenFull = WhenFull.BLOCK
    anonymous: bool = False  # no node is told who sent what it receives
    slow_nodes: int = 0  # how many nodes handle everything late
    lag_us: tuple[int, int] = (20_000, 200_000)  # how late
    disk_us: int = 0  # time that a forced write takes
    disk_full_rate: float = 0.0
    full_ms: tuple[int, int] = (100, 3_000)  # until then every force fails, and so stops the node
    disk_error_rate: float = 0.0  # of forces that fail; the node stops, and may be restarted
    torn: float = 0.0  # probability that a write cut short by a crash leaves a part of its record
    bit_rot: float = 0.0  # probability that a crash finds one bit of the log changed
    misdirected: float = 0.0  # probability that it finds a record at the place of another
    checksums: bool = True  # False: the log is read as it stands, and damage goes unnoticed
    crash_rate: float = 0.0
    crash_points: int = 0  # how many nodes crash around one of their first steps
    crash_within: int = 12  # which this one is the last of, in each of their lives
    mid_step: float = 0.3  # probability that a crash strikes within the node's next step
    down_ms: tuple[int, int] = (50, 2_000)
    stop_rate: float = 0.0  # crashes without return
    stop_points: int = 0  # how many nodes crash without return within one of their first steps
    stop_within: int = 12  # which this one is the last of
    survivable: bool = True  # what lasts for good strikes only as long as a quorum is left
    pause_rate: float = 0.0
    pause_ms: tuple[int, int] = (50, 1_500)
    partition_rate: float = 0.0
    partition_shapes: tuple[Shape, ...] = tuple(Shape)
    partition_ms: tuple[int, int] = (100, 3_000)
    drift_ppm: int = 0  # how much faster or slower a node's clock may run
    skew_ms: int = 0  # how far ahead a node's clock may be at the start
    unsafe_ms: int = 20_000  # how long faults go on
    heal_ms: int = 120_000  # how long the world then has to make good

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if name in RANGES:
                if not 0 <= value[0] <= value[1]:
                    raise UsageError(f"{name}={value[0]},{value[1]} is no range: give least,most")
            elif isinstance(value, (enum.Enum, str, tuple)):
                continue
            elif value < 0 or (name in CHANCES and value > 1):
                most = "from 0 to 1" if name in CHANCES else "0 or more"
                raise UsageError(f"{name}={value} is not possible: it must be {most}")
        if self.drift_ppm >= 1_000_000:
            raise UsageError(f"drift_ppm={self.drift_ppm} would stop clocks: stay below 1000000")
        if not self.partition_shapes:
            raise UsageError("partition_shapes is empty: name one, or set partition_rate=0")
        if not is_topology(self.topology):
            known = ", ".join((FULL, *GRAPHS))
            raise UsageError(
                f"topology={self.topology} is not possible: there is {known}, or a list of links "
                "such as n1-n2,n2-n3"
            )
        self._refuse_contradictions()

    def _refuse_contradictions(self) -> None:
        """Raise UsageError where one knob promises what another breaks."""
        if self.timing is Timing.SYNCHRONOUS:
            for name in ("slow", "slow_nodes", "pause_rate"):
                if getattr(self, name):
                    raise UsageError(f"timing=synchronous bounds every delay: leave {name} at 0")
            if self.strobe_ms and self.delay_us[1] + self.disk_us >= self.strobe_ms * 1000:
                raise UsageError(
                    f"strobe_ms={self.strobe_ms} is too short for rounds: a message may take "
                    f"{self.delay_us[1] + self.disk_us} µs, disk_us included"
                )
        if self.link_buffer and self.topology == FULL:
            raise UsageError("link_buffer bounds the links of a graph: set topology as well")
        if self.strobe_ms and (self.drift_ppm or self.skew_ms):
            raise UsageError("with a strobe all clocks agree: leave drift_ppm and skew_ms at 0")

    @classmethod
    def swarm(cls, seed: int, world: World | None = None, **fixed: Any) -> Faults:
        """Each seed draws knobs of its own, so that no two runs test the same weather.

        If `world` is synchronous, nodes stop or come back, and nothing else happens.
        Source: Groce et al., Swarm Testing, ISSTA 2012.
        """
        draw = random.Random(f"{seed}/swarm")
        if world is not None and world.synchronous:
            return cls(**(_synchronous(draw, world.returning) | fixed))

        def maybe(most: float) -> float:
            return most * draw.random() ** 2 if draw.random() < 0.7 else 0.0

        drawn: dict[str, Any] = {
            "loss": maybe(0.3),
            "duplicate": maybe(0.3),
            "slow": 1.0 if draw.random() < 0.2 else maybe(0.3),
            "slow_us": draw.choice((20_000, 200_000, 2_000_000)),
            "disk_us": draw.choice((0, 200, 5_000, 50_000)),
            "crash_rate": maybe(4.0),
            "mid_step": draw.random(),
            "down_ms": draw.choice(((1, 60), (50, 2_000))),
            "pause_rate": maybe(3.0),
            "pause_ms": draw.choice(((10, 200), (50, 1_500))),
            "partition_rate": maybe(3.0),
            "partition_shapes": tuple(draw.sample(list(Shape), draw.randint(1, len(Shape)))),
            "partition_ms": draw.choice(((50, 500), (100, 3_000), (1_000, 10_000))),
            "drift_ppm": draw.choice((0, 200, 20_000)),
            "skew_ms": draw.choice((0, 5_000)),
            "timing": draw.choice((*[Timing.UNIFORM] * 4, Timing.PARTIAL, Timing.ASYNCHRONOUS)),
            "gst_ms": draw.choice((1_000, 10_000)),
            "slow_nodes": draw.choice((0, 0, 0, 1, 2)),
            "lag_us": draw.choice(((1_000, 10_000), (20_000, 200_000))),
            "topology": draw.choice((*[FULL] * 5, "star", "line", "ring", "tree")),
        }
        if (drawn | fixed)["topology"] != FULL:
            drawn["link_buffer"] = draw.choice((0, 0, 4, 16))
            drawn["link_full"] = WhenFull.DROP  # to block can be for ever
        drawn |= {
            "disk_full_rate": maybe(0.5),
            "disk_error_rate": maybe(1.0),
            "torn": draw.random(),
            "stop_rate": maybe(0.3),
            "bit_rot": maybe(0.1),
            "misdirected": maybe(0.1),
            "crash_points": draw.choice((0, 0, 1, 2, 3)),
            "crash_within": draw.choice((4, 12, 40)),
        }
        return cls(**(_fewer(draw, drawn) | fixed))

    @property
    def crashes(self) -> bool:
        """Whether nodes may crash in any way."""
        return any(
            (
                self.crash_rate,
                self.crash_points,
                self.stop_rate,
                self.disk_full_rate,
                self.disk_error_rate,
                self.stop_points,
            )
        )

    @property
    def damages(self) -> bool:
        """Whether what is on disk may be other than what was written."""
        return any((self.torn, self.bit_rot, self.misdirected))

    def healed(self) -> Faults:
        """What is left once faults cease: delays and buffers that suffice, a strobe, the graph."""
        return Faults(delay_us=self.delay_us, strobe_ms=self.strobe_ms, topology=self.topology)

    def with_settings(self, settings: dict[str, Any]) -> Faults:
        """These knobs with some set by name; text will do, and a range is written least,most.

        Raises UsageError for a name that is none of them, or a value that does not fit.
        """
        given = dict(settings)
        for name, value in settings.items():
            if name not in self.__struct_fields__:
                known = ", ".join(self.__struct_fields__)
                raise UsageError(f"there is no fault setting {name!r}; there are {known}")
            if name in WORDS:
                _refuse_unknown(name, value)
            if isinstance(getattr(self, name), tuple) and isinstance(value, str):
                given[name] = value.split(",")
        try:
            return msgspec.convert(msgspec.structs.asdict(self) | given, Faults, strict=False)
        except msgspec.ValidationError as error:
            raise UsageError(f"fault settings: {error}") from error


def _refuse_unknown(name: str, value: object) -> None:
    known = [each.value for each in WORDS[name]]
    for word in written(value).split(","):
        if word not in known:
            raise UsageError(f"{name}={word} is not possible: there is {', '.join(known)}")


def written(value: object) -> str:
    """A setting as the command line takes it."""
    if isinstance(value, tuple):
        return ",".join(map(written, value))
    return str(value.value if isinstance(value, enum.Enum) else value)


def _fewer(draw: random.Random, drawn: dict[str, Any]) -> dict[str, Any]:
    """The knobs of a swarm, in most seeds without those of some faults: where all strike at once,
    a protocol does not get to where one of them would matter."""
    gone: set[str] = set()
    if draw.random() < 0.6:
        gone.update(name for group in GROUPS if draw.random() < 0.6 for name in group)
    return {name: value for name, value in drawn.items() if name not in gone}


def _synchronous(draw: random.Random, returning: bool) -> dict[str, Any]:
    """Knobs that the synchronous model allows: nodes stop, or come back in half of the seeds."""
    drawn = {
        "timing": Timing.SYNCHRONOUS,
        "delay_us": draw.choice(((500, 2_000), (1_000, 1_000), (0, 90_000), (50_000, 90_000))),
        "disk_us": draw.choice((0, 200, 5_000)),
        "stop_points": draw.choice((0, 1, 1, 2, 2, 3)),
        "survivable": False,
    }
    if returning and draw.random() < 0.5:
        drawn |= {
            "stop_points": 0,
            "crash_points": draw.randint(1, 5),
            "crash_within": draw.choice((4, 12)),
            "mid_step": draw.random(),
            "down_ms": draw.choice(((1, 60), (50, 2_000), (1, 6_000))),
        }
    return drawn
