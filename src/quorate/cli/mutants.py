"""Every mutant and how it is caught: `quorate check --mutants`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from quorate.check import check
from quorate.cli import terminal
from quorate.mutants import Mutant, find_mutants
from quorate.sim import Task, campaign

SEEDS_MAX = 1_000


class Catch(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a mutant. `violated` is the property that it broke, if it broke one.

    `by` says who looked: an engine of the checker, or seeds of the simulator. The checker tells
    the length of a shortest trace (None where the lack of a state shows it), how many states it
    has seen, and what cut its search off, if anything did; seeds tell the first that caught it.
    """

    protocol: str
    mutant: str
    breaks: str
    kills: str
    by: str
    violated: str | None
    trace_length: int | None = None
    distinct: int | None = None
    seed: int | None = None
    cut: str | None = None

    @property
    def exit_code(self) -> int:
        """0 caught by the property that must, 1 survived, 2 unknown."""
        if self.violated == self.kills:
            return 0
        return 2 if self.violated is None and self.cut else 1

    @property
    def shown_by(self) -> str:
        """The evidence, in few words."""
        if self.violated is None:
            return "–"
        if self.seed is not None:
            return f"seed {self.seed}"
        return "no state" if self.trace_length is None else f"{self.trace_length} steps"


def check_mutants(protocols: Iterable[str], how: Mapping[str, Any], json: bool) -> int:
    """Look for every mutant of some protocols, show what became of it, and give the exit code."""
    caught: list[Catch] = []
    with terminal.ticker() as tick:
        for mutant in (mutant for protocol in protocols for mutant in find_mutants(protocol)):
            if tick:
                tick.show(f"{mutant.protocol}: {mutant.name}")
            caught.append(_by_seeds(mutant) if mutant.found_by == "seeds" else _by(how, mutant))
    codes = [catch.exit_code for catch in caught]
    if json:
        terminal.print_json([msgspec.structs.asdict(catch) for catch in caught])
    else:
        _report(caught, codes)
    return 1 if 1 in codes else max(codes, default=0)


def _by(how: Mapping[str, Any], mutant: Mutant) -> Catch:
    result = check(mutant.trial(), **how)
    broken = result.violation
    return Catch(
        protocol=mutant.protocol,
        mutant=mutant.name,
        breaks=mutant.breaks,
        kills=mutant.kills,
        by=f"engine {result.engine}",
        violated=broken.name if broken else None,
        trace_length=len(broken.trace.records) if broken and broken.trace else None,
        distinct=result.distinct,
        cut=None if broken else result.cut,
    )


def _by_seeds(mutant: Mutant) -> Catch:
    task = Task(protocol=mutant.protocol, mutant=mutant.name)
    result = campaign(task, first=0, count=SEEDS_MAX, stop_at_failure=True)
    first = result.failures[0] if result.failures else None
    return Catch(
        protocol=mutant.protocol,
        mutant=mutant.name,
        breaks=mutant.breaks,
        kills=mutant.kills,
        by="seeds of the simulator",
        violated=first.violated if first else None,
        seed=first.seed if first else None,
        cut=None if first else f"{SEEDS_MAX:,} seeds",
    )


def _report(caught: list[Catch], codes: list[int]) -> None:
    for protocol in dict.fromkeys(catch.protocol for catch in caught):
        mine = [catch for catch in caught if catch.protocol == protocol]
        print(f"{protocol}, by {' or '.join(sorted({catch.by for catch in mine}))}")
        terminal.table(
            ("mutant", "what is broken", "caught by", "shown by", "states"),
            [
                (
                    catch.mutant,
                    catch.breaks,
                    catch.violated or (f"unknown: {catch.cut}" if catch.cut else "nothing"),
                    catch.shown_by,
                    "–" if catch.distinct is None else f"{catch.distinct:,}",
                )
                for catch in mine
            ],
        )
        print()
    terminal.say(f"{codes.count(0)} of {len(codes)} caught by the property that must")
    if 2 in codes:
        terminal.say(
            "Unknown: the search was cut off. quorate simulate --mutant looks further, but not "
            "everywhere."
        )
