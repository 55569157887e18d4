"""Jepsen's histories, as EDN and as JSON: what clients asked, and what they were answered.

Source: jepsen-io/history, README. A node that states a Request invokes an operation; the next other
fact that it states completes it. An operation that a crash or the end of the trace leaves open may
or may not have happened: it ends with `info`, and its process, as Jepsen demands, never acts again.
Facts that answer nothing, and what befalls nodes and links, are `info` of no client.
"""

from __future__ import annotations

import json
import re
from typing import Any

from quorate.kernel import Crash, Fact, NodeId, Request, Start, brief, core
from quorate.properties.linearizable import Called
from quorate.traces.spacetime import SpaceTime, Step

Operation = dict[str, Any]
"""index, time (ns), type, process, f, value. In EDN, keys and each Keyword are keywords."""


class Keyword(str):
    """A name that is no text."""

    __slots__ = ()


def history(diagram: SpaceTime) -> list[Operation]:
    """The operations, numbered from 0 on, in the order of the steps."""
    return _History(diagram).operations


def edn(diagram: SpaceTime) -> str:
    """The history as EDN, one map a line."""
    return "".join(f"{_edn(operation)}\n" for operation in history(diagram))


def json_lines(diagram: SpaceTime) -> str:
    """The history as JSON, one object a line, as `quorate check-history` reads it."""
    return "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in history(diagram))


class _History:
    def __init__(self, diagram: SpaceTime) -> None:
        self.diagram = diagram
        self.operations: list[Operation] = []
        self.process: dict[NodeId, int] = {}
        self.processes = 0
        self.open: dict[NodeId, tuple[int, Request]] = {}
        notes, end_us = list(diagram.notes), 0
        for step in diagram.steps:
            while notes and notes[0].at_us <= step.at_us:
                self._add(notes[0].at_us, "info", Keyword("nemesis"), "network", notes.pop(0).note)
            self._step(step)
            end_us = step.at_us
        for role in sorted(self.open):
            self._lose(role, end_us)

    def _step(self, step: Step) -> None:
        event = core(step.event)
        if isinstance(event, Crash):
            self._nemesis(step, "crash")
            for role in sorted(role for role, (node, _) in self.open.items() if node == step.node):
                self._lose(role, step.at_us)
        elif isinstance(event, Start) and event.recovered:
            self._nemesis(step, "restart")
        for role, fact in step.facts:
            self._fact(step, role, fact)

    def _fact(self, step: Step, role: NodeId, fact: Fact) -> None:
        _, asked = self.open.get(role, (0, None))
        if isinstance(fact, Request):
            if fact == asked:
                return  # it is asking again for the same
            if asked is not None:
                self._lose(role, step.at_us)
            if role not in self.process:
                self.process[role], self.processes = self.processes, self.processes + 1
            self.open[role] = step.node, fact
            self._add(step.at_us, "invoke", self.process[role], _f(fact), _value(fact), _key(fact))
        elif asked is not None:
            del self.open[role]
            self._add(step.at_us, "ok", self.process[role], _f(asked), _value(fact), _key(asked))
        else:
            self._add(step.at_us, "info", Keyword(role), _f(fact), _value(fact))

    def _lose(self, role: NodeId, at_us: int) -> None:
        _, asked = self.open.pop(role)
        self._add(at_us, "info", self.process.pop(role), _f(asked), _value(asked), _key(asked))

    def _nemesis(self, step: Step, f: str) -> None:
        node = self.diagram.nodes[step.node]
        self._add(step.at_us, "info", Keyword("nemesis"), f, node)

    def _add(
        self, at_us: int, kind: str, process: int | str, f: str, value: Any, key: Any = None
    ) -> None:
        operation = {
            "index": len(self.operations),
            "time": at_us * 1000,
            "type": Keyword(kind),
            "process": process,
            "f": Keyword(f),
            "value": value,
        }
        self.operations.append(operation if key is None else {**operation, "key": key})


def _f(fact: Fact) -> str:
    return fact.name if isinstance(fact, Called) else type(fact).__name__.lower()


def _key(fact: Fact) -> Any:
    return _plain(fact.key) if isinstance(fact, Called) else None


def _value(fact: Fact) -> Any:
    """The argument of a call; of any other fact its field, or a list of its fields."""
    if isinstance(fact, Called):
        return _plain(fact.argument)
    values = [_plain(getattr(fact, name)) for name in fact.__struct_fields__]
    return values[0] if len(values) == 1 else values or None


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, frozenset):
        return sorted((_plain(item) for item in value), key=repr)
    return brief(value)


def _edn(value: Any) -> str:
    match value:
        case None:
            return "nil"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Keyword():
            return ":" + _NO_KEYWORD.sub("_", value)
        case str():
            return _edn_string(value)
        case dict():
            return "{" + ", ".join(f":{key} {_edn(item)}" for key, item in value.items()) + "}"
        case _:
            return "[" + " ".join(map(_edn, value)) + "]"


_NO_KEYWORD = re.compile(r"[^A-Za-z0-9*+!_?<>=.-]")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _edn_string(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(letter, letter) for letter in text) + '"'
