"""Traces: written once, read back the same, equal in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quorate.kernel import (
    Actor,
    At,
    Ballot,
    Choice,
    Context,
    Crash,
    Fact,
    For,
    Header,
    Kind,
    Lazy,
    Message,
    NodeId,
    Note,
    Receive,
    Record,
    Send,
    Stable,
    Start,
    Timeout,
    Trace,
    UsageError,
    brief,
    digest,
)
from quorate.kernel.trace import read, read_header


class Vote(Message, frozen=True):
    ballot: Ballot
    value: bytes
    names: frozenset[str] = frozenset()


class Other(Message, frozen=True):
    pass


class Seen(Fact, frozen=True):
    value: str


class Voter(Actor):
    ballot: Stable[Ballot] = Ballot()
    hint: Lazy[int] = 0
    heard: int = 0

    def on_vote(self, ctx: Context, src: NodeId, m: Vote) -> None:
        self.ballot = m.ballot
        self.heard += 1
        ctx.send(src, Other())


VOTE = Vote(Ballot(1, "p1"), b"\x00\xff", frozenset({"b", "a"}))
EVENTS = (
    Start(),
    Start(recovered=True),
    Receive("x", VOTE),
    Timeout("t"),
    Choice("coin", 1),
    Choice("coin", "heads"),
    At(5, Timeout("t")),
    For("r", Receive("x", Other())),
    At(7, For("r", Receive("x", VOTE))),
    Crash(),
    Crash(forgets=1, undone=2),
    Crash(during=For("r", Receive("x", VOTE)), sent=2, forgets=1),
)


def sample() -> Trace:
    records = [Record(i, "n", event, f"{i:016x}", f"line {i}") for i, event in enumerate(EVENTS)]
    header = Header(protocol="paxos", executor="sim", seed=3, settings={"proposers": 2})
    return Trace(header, tuple(records), (Note(1, "partition: n | x"),))


def test_every_kind_of_event_reads_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    sample().write(path)
    assert read_header(path) == sample().header
    assert read(path, (Vote, Other)) == sample()


def test_the_hash_covers_time_node_event_and_effects_but_not_the_text() -> None:
    first = sample().records[2]
    hashes = {
        Trace(sample().header, (record,)).hash()
        for record in (
            first,
            Record(9, first.node, first.event, first.digest),
            Record(first.at_us, "m", first.event, first.digest),
            Record(first.at_us, first.node, Timeout("t"), first.digest),
            Record(first.at_us, first.node, first.event, "0"),
        )
    }
    assert len(hashes) == 5
    reworded = Record(first.at_us, first.node, first.event, first.digest, "other words")
    assert Trace(sample().header, (reworded,)).hash() in hashes


HASH = """
from quorate.kernel import Ballot, Header, Map, Message, Persist, Change, Receive, Record, Trace
from quorate.kernel import digest

class Vote(Message, frozen=True):
    names: frozenset[str]

names = frozenset(f"n{i}" for i in range(50))
table = Map({f"k{i}": i for i in range(50)})
record = Record(1, "n", Receive("x", Vote(names)), digest((Persist((Change("t", table),)),)))
trace = Trace(Header(protocol="p", executor="sim"), (record,))
print(trace.hash())
"""


def test_the_hash_of_a_trace_does_not_depend_on_the_hash_seed() -> None:
    hashes = {
        subprocess.run(
            [sys.executable, "-c", HASH],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(hashes) == 1


def test_digests_differ_when_effects_do() -> None:
    assert digest((Send("a", Other()),)) != digest((Send("b", Other()),))
    assert digest((Send("a", Other()),)) == digest((Send("a", Other()),))


def test_a_missing_trace_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*none\.json: No such file"):
        read_header(tmp_path / "none.json")


def test_a_file_that_is_no_trace_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")
    with pytest.raises(UsageError, match=r"notes\.txt is not a quorate trace"):
        read_header(path)


def test_a_trace_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    Trace(Header(format=99, protocol="p", executor="sim"), ()).write(path)
    with pytest.raises(UsageError, match="trace format 99; this version reads 1"):
        read_header(path)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "{}",
        '{"at_us":1,"node":"n","event":{"type":"Receive","src":"x","msg":{"type":"Nope"}},"digest":""}',
        '{"at_us":1,"node":"n","event":{"type":"Nope"},"digest":""}',
        '{"at_us":1,"node":"n","event":7,"digest":""}',
    ],
)
def test_a_damaged_record_is_refused_by_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "trace.json"
    sample().write(path)
    lines = path.read_text().splitlines()
    lines[3] = line
    path.write_text("\n".join(lines))
    with pytest.raises(UsageError, match=r"trace\.json, line 4: not a trace record"):
        read(path, (Vote, Other))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        ("", "''"),
        ("v1", "v1"),
        (b"abc", "abc"),
        (b"\x00\x01", "0001…"),
        ((1, "a"), "(1 a)"),
        (frozenset({"b", "a"}), "{a b}"),
        (Ballot(3, "p2"), "3p2"),
        (Seen("v"), "Seen(v)"),
        (Kind.AT_REST, "at rest"),
        (7, "7"),
    ],
)
def test_values_are_written_as_a_person_would(value: object, text: str) -> None:
    assert brief(value) == text
