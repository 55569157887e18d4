"""What the simulated world does to nodes and messages."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from quorate.kernel import UsageError

CHANCES = ("loss", "duplicate", "slow", "mid_step", "one_way", "partial")
RANGES = ("delay_us", "down_ms", "pause_ms", "partition_ms")


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Knobs; none is turned unless set. Rates are events per virtual second over the whole world,
    and times are inclusive ranges to draw from. Raises UsageError for what cannot be."""

    loss: float = 0.0  # probability that a message is lost
    duplicate: float = 0.0  # probability that a message arrives twice
    delay_us: tuple[int, int] = (500, 2_000)
    slow: float = 0.0  # probability that a message takes up to `slow_us` longer: reordering
    slow_us: int = 500_000
    disk_us: int = 0  # time that a forced write takes
    crash_rate: float = 0.0
    mid_step: float = 0.3  # probability that a crash strikes within the node's next step
    down_ms: tuple[int, int] = (50, 2_000)
    pause_rate: float = 0.0
    pause_ms: tuple[int, int] = (50, 1_500)
    partition_rate: float = 0.0
    one_way: float = 0.3  # probability that a partition cuts one direction only
    partial: float = 0.2  # probability that it cuts some links instead of making two sides
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
            elif value < 0 or (name in CHANCES and value > 1):
                most = "from 0 to 1" if name in CHANCES else "0 or more"
                raise UsageError(f"{name}={value} is not possible: it must be {most}")
        if self.drift_ppm >= 1_000_000:
            raise UsageError(f"drift_ppm={self.drift_ppm} would stop clocks: stay below 1000000")

    @classmethod
    def swarm(cls, seed: int, **fixed: Any) -> Faults:
        """Each seed draws knobs of its own, so that no two runs test the same weather.

        Source: Groce et al., Swarm Testing, ISSTA 2012.
        """
        draw = random.Random(f"{seed}/swarm")

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
            "one_way": draw.random(),
            "partial": draw.random(),
            "partition_ms": draw.choice(((50, 500), (100, 3_000), (1_000, 10_000))),
            "drift_ppm": draw.choice((0, 200, 20_000)),
            "skew_ms": draw.choice((0, 5_000)),
        }
        return cls(**(drawn | fixed))

    def with_settings(self, settings: dict[str, Any]) -> Faults:
        """These knobs with some set by name; text will do, and a range is written least,most.

        Raises UsageError for a name that is none of them, or a value that does not fit.
        """
        given = dict(settings)
        for name, value in settings.items():
            if name not in self.__struct_fields__:
                known = ", ".join(self.__struct_fields__)
                raise UsageError(f"there is no fault setting {name!r}; there are {known}")
            if name in RANGES and isinstance(value, str):
                given[name] = value.split(",")
        try:
            return msgspec.convert(msgspec.structs.asdict(self) | given, Faults, strict=False)
        except msgspec.ValidationError as error:
            raise UsageError(f"fault settings: {error}") from error


def written(value: object) -> str:
    """A setting as the command line takes it."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
