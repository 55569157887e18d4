"""What a claim is, and the ways to show one: every schedule of a world, many seeds of it, or a run
in which faults strike exactly where they are told to.

A claim holds if each of its findings came out as the lecture says it must. Where the lecture says
that something goes wrong, the finding that is expected is a violation.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from quorate.check import check
from quorate.kernel import Header, Network, Trace
from quorate.properties.commit import ending
from quorate.protocols import build_world
from quorate.sim import Task, campaign
from quorate.sim.exact import Fault, run_exactly


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One run and what it came to. `expected` and `found` are of one kind: verdicts, counts, names.
    `command` runs it again; `detail` never depends on the machine."""

    what: str
    expected: str
    found: str
    detail: str = ""
    command: str = ""
    trace: Trace | None = None

    @property
    def agrees(self) -> bool:
        """Whether it came out as it must."""
        return self.expected == self.found


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What the lecture says under the heading `section`, in our words; the paper behind it; the
    protocols that it is about; and the runs that show it."""

    name: str
    section: str
    says: str
    source: str
    protocols: tuple[str, ...]
    show: Callable[[], tuple[Finding, ...]]


def verdict_of(findings: tuple[Finding, ...]) -> str:
    """ "holds" if everything came out as the lecture says, or else "violated"."""
    return "holds" if all(finding.agrees for finding in findings) else "violated"


def checked(
    what: str,
    protocol: str,
    judged: str,
    expected: str,
    *,
    world: str = "small",
    settings: Mapping[str, Any] = {},
    mutant: str | None = None,
    crashes: int | None = None,
    network: Network | None = None,
) -> Finding:
    """Explore a world to its end: how the property named `judged` fares."""
    header = Header(
        protocol=protocol,
        world="main" if mutant else world,
        mutant=mutant,
        settings=dict(settings),
        executor="check",
    )
    built = build_world(protocol, header.world, header.settings, mutant)
    # Other properties may break as soon; which of two an engine meets first is up to it.
    only = tuple(prop for prop in built.properties if prop.name == judged)
    only_that = msgspec.structs.replace(built, properties=only)
    result = check(only_that, crashes=crashes, network=network, header=header)
    verdict = next(each for each in result.verdicts if each.name == judged)
    found, detail = verdict.verdict, f"{result.distinct:,} states"
    if verdict.trace is not None:
        detail = f"in {len(verdict.trace.records)} steps at the least"
    elif result.bounds:
        detail += f"; {', '.join(result.bounds)}"
    words = ["quorate", "check", protocol]
    words += ["--mutant", mutant] if mutant else [] if world == "small" else ["--world", world]
    words += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    words += [] if crashes is None else ["--crashes", str(crashes)]
    words += [] if network is None else ["--network", network.value]
    return Finding(
        what=f"{what}: {judged}",
        expected=expected,
        found=found,
        detail=detail,
        command=shlex.join(words),
        trace=verdict.trace,
    )


def staged(
    what: str,
    protocol: str,
    expected: str,
    *faults: Fault,
    settings: Mapping[str, Any] = {},
    shown: bool = False,
) -> Finding:
    """One run of a commit protocol in which these faults strike exactly where they say: does it
    commit or abort, block, or end inconsistently? `shown`: with its steps."""
    header = Header(protocol=protocol, settings=dict(settings), executor="sim")
    ran = run_exactly(build_world(protocol, settings=settings), faults, header=header)
    # What comes later is somebody who asks in vain.
    steps = [step for step in ran.trace.records if step.at_us <= ran.changed_ms * 1_000]
    return Finding(
        what=what,
        expected=expected,
        found=ending(ran.judge.view()),
        trace=Trace(header, tuple(steps)) if shown else None,
    )


def simulated(
    what: str,
    protocol: str,
    seeds: int,
    *,
    world: str = "main",
    settings: Mapping[str, Any] = {},
    mutant: str | None = None,
    breaks: str = "",
    faults: Mapping[str, Any] = {},
) -> Finding:
    """Run many seeds, each under weather of its own, which then clears: do all promises hold?

    Unless `breaks` names one: then that one must break under some seed. `faults` are fault settings
    that all seeds have in common.
    """
    task = Task(
        protocol=protocol,
        world=world,
        settings=dict(settings),
        mutant=mutant,
        fault_settings=dict(faults),
    )
    result = campaign(task, first=0, count=seeds, stop_at_failure=bool(breaks))
    broken = sorted({run.violated for run in result.failures if run.violated})
    if breaks:
        found = "violated" if breaks in broken else "holds"
    else:
        found = "violated" if broken else "unknown" if result.bounded else "holds"
    # The command of seed 0, asking for all of them instead.
    command = task.command(0).replace("--seed 0", f"--seeds {seeds}")
    return Finding(
        what=f"{what}: {breaks}" if breaks else what,
        expected="violated" if breaks else "holds",
        found=found,
        detail=f"{seeds} seeds" if breaks or not broken else ", ".join(broken),
        command=command,
    )
