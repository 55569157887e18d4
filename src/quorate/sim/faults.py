"""What the simulated world does to nodes and messages."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from quorate.kernel import UsageError


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Knobs. Rates are events per virtual second over the whole world; times are ranges."""

    loss: float = 0.0  # probability that a message is lost
    duplicate: float = 0.0  # probability that a message arrives twice
    delay_us: tuple[int, int] = (500, 2_000)
    slow: float = 0.0  # probability that a message takes up to `slow_us` instead: reordering
    slow_us: int = 500_000
    disk_us: int = 0  # time that a forced write takes
    crash_rate: float = 0.0
    down_ms: tuple[int, int] = (50, 2_000)
    pause_rate: float = 0.0
    pause_ms: tuple[int, int] = (50, 1_500)
    partition_rate: float = 0.0
    one_way: float = 0.3  # probability that a partition cuts one direction only
    partition_ms: tuple[int, int] = (100, 3_000)
    unsafe_ms: int = 20_000  # how long faults go on
    heal_ms: int = 120_000  # how long the world then has to make good

    @classmethod
    def swarm(cls, seed: int, **fixed: Any) -> Faults:
        """Each seed draws knobs of its own, so that no two runs test the same weather.

        Source: Groce et al., Swarm Testing, ISSTA 2012.
        """
        draw = random.Random(f"{seed}/swarm")

        def maybe(most: float) -> float:
            return draw.uniform(0, most) if draw.random() < 0.6 else 0.0

        drawn: dict[str, Any] = {
            "loss": maybe(0.3),
            "duplicate": maybe(0.3),
            "slow": maybe(0.1),
            "disk_us": draw.choice((0, 200, 5_000, 50_000)),
            "crash_rate": maybe(0.8),
            "pause_rate": maybe(0.5),
            "partition_rate": maybe(0.4),
        }
        return cls(**(drawn | fixed))

    def with_settings(self, settings: dict[str, Any]) -> Faults:
        """These knobs with some set by name. Raises UsageError for a name that is none of them."""
        for name in settings:
            if name not in self.__struct_fields__:
                known = ", ".join(self.__struct_fields__)
                raise UsageError(f"there is no fault setting {name!r}; there are {known}")
        # A range may be given as text: "500,2000".
        values = {
            k: v.split(",") if isinstance(v, str) and "," in v else v for k, v in settings.items()
        }
        try:
            return msgspec.convert(msgspec.structs.asdict(self) | values, Faults, strict=False)
        except msgspec.ValidationError as error:
            raise UsageError(f"fault settings: {error}") from error
