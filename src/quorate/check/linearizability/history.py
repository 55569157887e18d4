"""Histories: what clients called, when, and what came back.

One line of JSON for each call and each end of one, in the words of Jepsen:

    {"process": 0, "type": "invoke", "f": "write", "key": "x", "value": 3}
    {"process": 0, "type": "ok", "f": "write", "key": "x", "value": null}

`type` is how it stands: `invoke` begins an operation, `ok` ends it with a result, `fail` says that
it certainly did not happen, and `info` that nobody knows: it may take effect at any later time, or
never. What never ends counts as `info`. A process has one open operation at a time; an `info` that
ends none is about something else, such as a fault.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from quorate.kernel import UsageError
from quorate.properties.objects import UNKNOWN, Operation


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of a log. `value` is the argument of a call, or the result of its end."""

    process: int | str
    type: Literal["invoke", "ok", "fail", "info"]
    f: str
    key: Any = None
    value: Any = None


class Recorder:
    """Takes down a history as it happens; clients may be tasks or threads."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def call(self, process: int | str, name: str, argument: Any = None, key: Any = None) -> None:
        """A process is about to ask for an operation."""
        self._add(Entry(process=process, type="invoke", f=name, key=key, value=_frozen(argument)))

    def ok(self, process: int | str, result: Any = None) -> None:
        """What the process asked for was done, with this result."""
        self._add(Entry(process=process, type="ok", f="", value=_frozen(result)))

    def fail(self, process: int | str) -> None:
        """What the process asked for certainly did not happen, and never will."""
        self._add(Entry(process=process, type="fail", f=""))

    def info(self, process: int | str) -> None:
        """What the process asked for may have happened, or may yet happen."""
        self._add(Entry(process=process, type="info", f=""))

    def _add(self, entry: Entry) -> None:
        with self._lock:
            self._entries.append(entry)

    def operations(self) -> tuple[Operation, ...]:
        """The history so far."""
        with self._lock:
            return operations_of(tuple(self._entries))

    def write(self, path: Path) -> None:
        """Write the history so far to a file, as lines of JSON. Bytes become base64."""
        with self._lock:
            lines = [msgspec.json.encode(entry) for entry in self._entries]
        path.write_bytes(b"".join(line + b"\n" for line in lines))


def operations_of(entries: Sequence[Entry]) -> tuple[Operation, ...]:
    """The operations of a log, in order of their calls; those that failed are left out.

    Raises UsageError if a process ends what it did not begin, or begins two at once.
    """
    open_at: dict[int | str, int] = {}
    ends: dict[int, tuple[int | None, Any]] = {}
    for at, entry in enumerate(entries, start=1):
        begun = open_at.pop(entry.process, None)
        if entry.type == "invoke":
            if begun is not None:
                raise UsageError(
                    f"entry {at}: process {entry.process} calls {entry.f} while its "
                    f"{entries[begun - 1].f} is open; concurrent callers need a process each"
                )
            open_at[entry.process] = at
            ends[at] = (None, UNKNOWN)
        elif begun is None:
            if entry.type == "info":
                continue  # of no client: a fault, say
            raise UsageError(
                f"entry {at}: process {entry.process} ends an operation ({entry.type}) "
                "that it did not begin"
            )
        elif entry.type == "ok":
            ends[begun] = (at, _frozen(entry.value))
        elif entry.type == "fail":
            del ends[begun]
    return tuple(_operation(entries[at - 1], at, *end) for at, end in ends.items())


def _operation(call: Entry, called: int, returned: int | None, result: Any) -> Operation:
    return Operation(
        process=call.process,
        name=call.f,
        argument=_frozen(call.value),
        result=result,
        key=_frozen(call.key),
        called=called,
        returned=returned,
    )


def read_history(path: Path) -> tuple[Operation, ...]:
    """The history in a file: lines of JSON, or the tab-separated lines that Jepsen prints.

    Raises UsageError, with the line, for what is neither.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text: {error.reason}") from error
    entries = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entries.append(_json(line) if line.lstrip().startswith("{") else _tabbed(line))
        except (msgspec.DecodeError, msgspec.ValidationError, ValueError) as error:
            raise UsageError(f"{path}, line {number}: not an entry of a history ({error})") from (
                error
            )
    if not entries:
        raise UsageError(f"{path} holds no history")
    return operations_of(entries)


_json = msgspec.json.Decoder(Entry).decode


def _tabbed(line: str) -> Entry:
    fields = line.rstrip("\n").split("\t")
    if len(fields) < 4:
        raise ValueError("neither a JSON object nor process, type, function and value with tabs")
    process, kind, name, value = (field.strip() for field in fields[:4])
    raw = {
        "process": process.split()[-1],
        "type": kind.removeprefix(":"),
        "f": name.removeprefix(":"),
        "value": _edn(value),
    }
    return msgspec.convert(raw, Entry)


_TOKEN = re.compile(r"[\[\]()]|[^\s,\[\]()]+")


def _edn(text: str) -> Any:
    """A value as Clojure prints it: nil, numbers, truth values, keywords, and vectors of these."""
    stack: list[list[Any]] = [[]]
    for token in _TOKEN.findall(text):
        if token in "[(":
            stack.append([])
        elif token in "])":
            if len(stack) == 1:
                raise ValueError(f"{text!r} closes what it did not open")
            done = tuple(stack.pop())
            stack[-1].append(done)
        else:
            stack[-1].append(_atom(token))
    if len(stack) > 1:
        raise ValueError(f"{text!r} does not close what it opens")
    # A time-out says why: `:timed-out`, or more words. Only the first is looked at.
    return stack[0][0] if stack[0] else None


def _atom(token: str) -> Any:
    known = {"nil": None, "true": True, "false": False}
    if token in known:
        return known[token]
    try:
        return int(token)
    except ValueError:
        return token.removeprefix(":").strip('"')


def _frozen(value: Any) -> Any:
    """The same value, hashable: lists become tuples, mappings sorted tuples of pairs."""
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return tuple(sorted((key, _frozen(item)) for key, item in value.items()))
    return value
