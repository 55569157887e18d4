"""One trace format, written by simulator, checker and runtime, read by the replayer.

A file is lines of JSON: a header, then one record per step. Events are complete, so that a run can
be repeated through `step`; effects are kept as a digest, and as a line for people.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Union

import msgspec

from quorate.kernel.effects import Effect
from quorate.kernel.errors import UsageError
from quorate.kernel.events import At, Choice, Crash, For, Happening, Receive, Start, Timeout
from quorate.kernel.values import NodeId, encode_hook

FORMAT = 1
_BINARY = msgspec.msgpack.Encoder(enc_hook=encode_hook, order="deterministic")
_TEXT = msgspec.json.Encoder(enc_hook=encode_hook, order="deterministic")


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Where a trace comes from, and so how to build the world that it happened in. From record
    number `loop` on, counted from 0, the run can repeat itself for ever. `lies`: what traitors may
    say, and to whom, in place of what the world has; messages are plain data here."""

    format: int = FORMAT
    protocol: str
    world: str = "main"
    mutant: str | None = None
    settings: dict[str, Any] = {}
    adversaries: tuple[tuple[NodeId, str], ...] = ()
    lies: dict[NodeId, tuple[tuple[NodeId, Any], ...]] = {}
    executor: str
    seed: int | None = None
    violated: str | None = None
    loop: int | None = None


class Record(msgspec.Struct, frozen=True, gc=False):
    """One step: when (µs since the start, or its index), where, what happened, what came of it;
    and, where it is known, the index of the step that sent what it received."""

    at_us: int
    node: NodeId
    event: Happening
    digest: str
    line: str = ""
    cause: int | None = None


class Note(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What befell the network or nodes without being a step: in words, and where it is a fault of
    nodes, which one and of whom."""

    at_us: int
    note: str
    fault: str = ""
    nodes: tuple[NodeId, ...] = ()


class Trace(msgspec.Struct, frozen=True):
    """A run."""

    header: Header
    records: tuple[Record, ...]
    notes: tuple[Note, ...] = ()

    def hash(self) -> str:
        """A digest of everything that happened: equal for equal runs, in any process."""
        total = hashlib.blake2b(digest_size=16)
        for record in self.records:
            total.update(_BINARY.encode((record.at_us, record.node, record.event, record.digest)))
        return total.hexdigest()

    def write(self, path: Path) -> None:
        """Write the trace to a file."""
        lines = map(_TEXT.encode, (self.header, *self.records, *self.notes))
        path.write_bytes(b"\n".join(lines) + b"\n")


def digest(effects: tuple[Effect, ...]) -> str:
    """A short name for what a step did."""
    return hashlib.blake2b(_BINARY.encode(effects), digest_size=8).hexdigest()


def read_header(path: Path) -> Header:
    """The header of a trace file. Raises UsageError when it is not one of ours."""
    try:
        with path.open("rb") as file:
            header = msgspec.json.decode(file.readline(), type=Header)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} is not a quorate trace: {error}") from error
    if header.format != FORMAT:
        raise UsageError(f"{path} has trace format {header.format}; this version reads {FORMAT}")
    return header


def read(path: Path, messages: Iterable[type]) -> Trace:
    """The trace in a file whose messages are of the given classes."""
    header = read_header(path)
    kinds: Any = Union.__getitem__(tuple(messages))
    records, notes = [], []
    for number, line in enumerate(path.read_bytes().splitlines()[1:], start=2):
        try:
            raw = msgspec.json.decode(line)
            if "note" in raw:
                notes.append(msgspec.convert(raw, Note))
                continue
            event = _event(raw["event"], kinds)
            records.append(
                Record(
                    raw["at_us"],
                    raw["node"],
                    event,
                    raw["digest"],
                    raw.get("line", ""),
                    raw.get("cause"),
                )
            )
        except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError) as error:
            raise UsageError(f"{path}, line {number}: not a trace record ({error})") from error
    return Trace(header, tuple(records), tuple(notes))


def _event(raw: Any, messages: Any) -> Any:
    kind = raw["type"]
    if kind == "Receive":
        return Receive(raw["src"], msgspec.convert(raw["msg"], messages))
    if kind == "For":
        return For(raw["role"], _event(raw["event"], messages))
    if kind == "At":
        return At(raw["at_ms"], _event(raw["event"], messages))
    if kind == "Crash":
        during = raw["during"]
        inner = None if during is None else _event(during, messages)
        return Crash(inner, raw["sent"], raw["forgets"], raw["undone"], raw["unheard"])
    return msgspec.convert(raw, Start | Timeout | Choice)


def brief(value: Any) -> str:
    """A value as a person would write it."""
    if value is None:
        return "–"
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, str):
        return value or "''"
    if isinstance(value, bytes):
        text = value.decode("ascii", "replace")
        return text[:24] if value.isascii() and text.isprintable() else value[:8].hex() + "…"
    if isinstance(value, tuple):
        return "(" + " ".join(brief(item) for item in value) + ")"
    if isinstance(value, frozenset):
        return "{" + " ".join(sorted(brief(item) for item in value)) + "}"
    if isinstance(value, msgspec.Struct) and type(value).__repr__ is msgspec.Struct.__repr__:
        fields = ", ".join(brief(getattr(value, name)) for name in value.__struct_fields__)
        return f"{type(value).__name__}({fields})"
    return repr(value)
