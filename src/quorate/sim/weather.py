"""Which faults a trace shows: the crashes, and what became of messages between their steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from quorate.kernel import Crash, Kind, NodeId, Start, Trace, World, core
from quorate.sim.script import Entry, Ref, Script, common, perform, script_of


class Sent(NamedTuple):
    """A message from one process to another: when it was sent, and when it arrived each time."""

    ref: Ref
    source: NodeId
    target: NodeId
    kind: str
    step: int
    arrivals: tuple[int, ...]


def weather(world: World, trace: Trace) -> tuple[str, ...]:
    """A line for each fault in a trace: crashes, cuts, losses, delays, duplicates.

    Steps are numbered from 1, as in a narration. A message counts as lost if its receiver went on
    without it (that it is late without end would be the same), and if what the trace says is
    violated would not be, had it arrived before the next thing that its receiver did.
    """
    script = script_of(world, trace)
    sent = _sent(world, script)
    missed = [each for each in _missed(script, sent) if _matters(world, trace, script, each)]
    return (*_crashes(script), *_missing(missed, sent), *_late(sent), *_twice(sent))


def _sent(world: World, script: Script) -> list[Sent]:
    arrivals: dict[Ref, list[int]] = {}
    for step, entry in enumerate(script, start=1):
        if entry.cause is not None:
            arrivals.setdefault(entry.cause, []).append(step)
    hosts = {role: world.processes[index].me for role, index in world.hosts().items()}
    return [
        Sent(ref, hosts[ref[1]], hosts[ref[2]], ref[3], ref[0] + 1, tuple(arrivals.get(ref, ())))
        for ref in perform(world, script, "", eager=False).refs
        if ref[2] in hosts and hosts[ref[1]] != hosts[ref[2]]
    ]


def _crashes(script: Script) -> Iterable[str]:
    for step, entry in enumerate(script, start=1):
        event = entry.event
        if not isinstance(event, Crash):
            continue
        later = (
            number
            for number, other in enumerate(script[step:], start=step + 1)
            if other.node == entry.node and isinstance(core(other.event), Start)
        )
        back = next(later, None)
        lost = event.forgets + event.undone
        yield (
            f"step {step}: {entry.node} crashes"
            + (f" in mid-step, after {event.sent} sends" if event.during is not None else "")
            + (f", {lost} writes lost" if lost else "")
            + (f", and restarts at step {back}" if back else ", and stays down")
        )


def _missed(script: Script, sent: list[Sent]) -> list[Sent]:
    last = {entry.node: step for step, entry in enumerate(script, start=1)}
    return [each for each in sent if not each.arrivals and last.get(each.target, 0) > each.step]


def _matters(world: World, trace: Trace, script: Script, lost: Sent) -> bool:
    """Whether nothing is violated any more once a message arrives; liveness takes more to tell."""
    kinds = {prop.name: prop.kind for prop in world.properties}
    name = trace.header.violated or ""
    if not name or kinds.get(name, Kind.ALWAYS) is not Kind.ALWAYS:
        return True
    performed = perform(world, script[: lost.step], "", eager=False)
    player, event = performed.stage.arrival(performed.refs[lost.ref])
    later = range(lost.step, len(script))
    at = next(i for i in later if script[i].node == lost.target)
    arrival = Entry(len(script), script[at].at_us, player.boot.me, event, lost.ref)
    again = perform(world, (*script[:at], arrival, *script[at:]), common(name), eager=True)
    return common(name) not in map(common, again.stage.judge.broken)


def _missing(missed: list[Sent], sent: list[Sent]) -> Iterable[str]:
    """Links that carried nothing, and single messages that were missed."""
    links = {(each.source, each.target) for each in sent if each.arrivals}
    cut: dict[NodeId, set[NodeId]] = {}
    for each in missed:
        if (each.source, each.target) not in links:
            cut.setdefault(each.source, set()).add(each.target)
    for source, targets in sorted(cut.items()):
        yield f"nothing gets from {source} to {' or '.join(sorted(targets))}"
    for each in missed:
        if (each.source, each.target) in links:
            yield f"step {each.step}: {each.kind} from {each.source} to {each.target} is lost"


def _late(sent: list[Sent]) -> Iterable[str]:
    for each in sent:
        overtaken = any(
            other.arrivals
            and each.arrivals
            and (other.source, other.target) == (each.source, each.target)
            and other.step > each.step
            and other.arrivals[0] < each.arrivals[0]
            for other in sent
        )
        if overtaken:
            what = f"{each.kind} from {each.source} to {each.target}"
            yield f"step {each.step}: {what} is late: it arrives at step {each.arrivals[0]}"


def _twice(sent: list[Sent]) -> Iterable[str]:
    for each in sent:
        for again in each.arrivals[1:]:
            what = f"{each.kind} from {each.source} to {each.target}"
            yield f"step {each.step}: {what} arrives again at step {again}"
