"""Scenarios: who suffers what and when, as data; and the run in which it happens.

A scenario is a list of acts, in order. An act waits for its time, and then for a message of some
kind to arrive if it names one; so it can strike the leader without knowing who that will be.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any

import msgspec

from quorate.kernel import NodeId, Note, Receive, Record, UsageError, core
from quorate.sim.engine import Simulation
from quorate.sim.partitions import split

SENDER, RECEIVER = "sender", "receiver"


class Deed(enum.Enum):
    """What an act does."""

    PARTITION = "partition"  # between `sides` no message passes
    MEND = "mend"  # all links carry again
    CRASH = "crash"  # `nodes` lose what is not on disk, and are down
    RESTART = "restart"  # and come back
    STOP = "stop"  # they crash and never come back
    PAUSE = "pause"  # they handle nothing
    RESUME = "resume"  # and then everything, in order
    SAY = "say"  # nothing: only `says`


class Act(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Not before `at_ms`, and then not before a message of class `once` arrives, do this to these
    nodes; "sender" and "receiver" are those of that message, and "rest" is a side of all who are on
    no other side. `says` is what a narrator says of it, with the nodes for {nodes}."""

    do: Deed
    at_ms: int = 0
    once: str = ""
    nodes: tuple[NodeId, ...] = ()
    sides: tuple[tuple[NodeId, ...], ...] = ()
    says: str = ""


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`shows` says what for; `settings` are of the world and of the faults; after the last act, or
    `unsafe_ms`, everything is healed. `violates` names the property that it is to break, if any;
    with the settings `instead` nothing breaks. `finds` is what a search over all runs found."""

    name: str
    shows: str
    settings: dict[str, Any] = {}
    acts: tuple[Act, ...] = ()
    violates: str = ""
    instead: dict[str, Any] = {}
    finds: tuple[str, ...] = ()


def read_scenario(path: Path) -> Scenario:
    """A scenario in a file, TOML or JSON by its name. Raises UsageError for anything else."""
    decode = msgspec.json.decode if path.suffix == ".json" else msgspec.toml.decode
    try:
        return decode(path.read_bytes(), type=Scenario)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not a scenario: {error}") from error


def conduct(simulation: Simulation, acts: tuple[Act, ...], until_us: int, steps_max: int) -> None:
    """Run until a virtual time, letting each act happen in its turn."""
    for act in acts:
        _refuse_unknown(simulation, act)
    for act in acts:
        simulation.run(max(min(act.at_ms * 1000, until_us), simulation.now_us), steps_max)
        arrival: Record | None = None
        if act.once:
            arrival = _await(simulation, act.once, until_us, steps_max)
            if arrival is None:
                simulation.nemesis.notes.append(
                    Note(until_us, f"no {act.once} arrives: no {act.do.value}")
                )
                break
        _perform(simulation, act, arrival)
    simulation.run(until_us, steps_max)


def _await(simulation: Simulation, kind: str, until_us: int, steps_max: int) -> Record | None:
    """Go on until a message of a class has arrived, step by step, so that nothing else has."""
    assert simulation.tape is not None  # a run with acts is traced
    records = simulation.tape.records
    seen, before = len(records), -1
    while before < simulation.steps < steps_max:
        before = simulation.steps
        simulation.run(until_us, before + 1)
        for record in records[seen:]:
            event = core(record.event)
            if isinstance(event, Receive) and type(event.msg).__name__ == kind:
                return record
        seen = len(records)
    return None


def _perform(simulation: Simulation, act: Act, arrival: Record | None) -> None:
    who = {name: index for index, name in enumerate(node.me for node in simulation.nodes)}
    if arrival is not None:
        who[SENDER] = simulation.hosts[core(arrival.event).src].index
        who[RECEIVER] = who[arrival.node]
    if act.says:
        names = [simulation.nodes[who[name]].me for name in act.nodes]
        text = act.says.replace("{nodes}", " and ".join(names))
        simulation.nemesis.notes.append(Note(simulation.now_us, text))
    if act.do is Deed.PARTITION:
        sides = [[who[name] for name in side if name != "rest"] for side in act.sides]
        rest = [i for i in range(len(simulation.nodes)) if not any(i in side for side in sides)]
        if ("rest",) in act.sides:
            sides[act.sides.index(("rest",))] = rest
        simulation.nemesis.set_cut(split(*sides))
    elif act.do is Deed.MEND:
        simulation.nemesis.set_cut(frozenset())
    for name in act.nodes:
        node = simulation.nodes[who[name]]
        if act.do is Deed.STOP:
            simulation.atlas.lose(node)
        if act.do in (Deed.CRASH, Deed.STOP) and node.up:
            simulation.crash(node)
        elif act.do is Deed.RESTART:
            simulation.restart(node)
        elif act.do is Deed.PAUSE:
            node.awake = False
        elif act.do is Deed.RESUME and node.up and not node.awake:
            simulation.resume(node)


def _refuse_unknown(simulation: Simulation, act: Act) -> None:
    known = [node.me for node in simulation.nodes]
    named = {*act.nodes, *(name for side in act.sides for name in side)}
    roles = {SENDER, RECEIVER} if act.once else set()
    for name in sorted(named - {*known, *roles, "rest"}):
        raise UsageError(
            f"the scenario's {act.do.value} names {name!r}; there is {', '.join(known)}"
            + ("" if act.once else ", and sender or receiver where it says `once`")
        )
