"""The diagram as text: what is drawn, and that what is not drawn is said."""

from __future__ import annotations

import re

import msgspec
import pytest

from quorate.kernel import Crash, Note, Receive, Record, Start
from quorate.protocols import find, names
from quorate.sim.quiet import quiet_diagram
from quorate.traces.text import text_diagram
from sim.toys import Counter, Ping, Pong, Sender
from traces.test_spacetime import told
from traces.weather import diagrams

EVERY = diagrams(4)


def test_a_small_run_is_drawn_like_this() -> None:
    records = [
        Record(0, "s", Start(), ""),
        Record(1_000, "c", Receive("s", Ping(1)), ""),
        Record(1_500, "c", Receive("s", Ping(1)), ""),
        Record(2_000, "s", Receive("c", Pong(1)), ""),
        Record(3_000, "c", Crash(), ""),
        Record(3_500, "s", Receive("c", Pong(1)), ""),
        Record(4_000, "c", Start(recovered=True), ""),
    ]
    diagram = told([Sender("s", ("c", "d")), Counter("c"), Counter("d")], records)
    noted = msgspec.structs.replace(diagram, notes=(Note(2_500, "partition: s | c d"),))
    assert text_diagram(noted, 60).splitlines() == [
        "step        ms  s             c             d",
        "   1       0.0  │─────────── Ping ──────────✗",
        "   2       1.0  │─── Ping ───▶│             │",
        "                │             ● Got(1)      │",
        "   3       1.5  │┄┄┄ Ping ┄┄┄▶│             │",
        "                │             ● Got(1)      │",
        "   4       2.0  │◀─── Pong ───│             │",
        "                ● Got(1)      │             │",
        "                ── partition: s | c d ──",
        "   5       3.0  │             ✖ crash       │",
        "   6       3.5  │◀─── Pong ───┊             │",
        "                ● Got(1)      ┊             │",
        "   7       4.0  │             ▲ restart     │",
    ]


@pytest.mark.parametrize("name", names())
def test_every_message_of_a_quiet_run_is_drawn_once(name: str) -> None:
    diagram = quiet_diagram(find(name))
    lines = text_diagram(diagram, 80).splitlines()
    arrows = sum("▶" in line or "◀" in line for line in lines)
    arrived = [m for m in diagram.messages if m.received is not None and not m.local]
    assert arrows == len(arrived)
    for message in {m.name for m in arrived}:
        assert any(message in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_there_is_room_and_each_step_is_numbered(width: int) -> None:
    for diagram in EVERY:
        lines = text_diagram(diagram, width).splitlines()
        assert max(map(len, lines)) <= width
        numbers = [int(m[1]) for line in lines if (m := re.match(r" *(\d+) ", line))]
        assert numbers == sorted(set(numbers))
        shown = {number - 1 for number in numbers}
        for index, step in enumerate(diagram.steps):
            received = None if step.received is None else diagram.messages[step.received]
            seen = step.facts or isinstance(step.event, Crash)
            if seen or (received is not None and not received.local):
                assert index in shown


@pytest.mark.parametrize("lines_max", [10, 25, 60])
def test_a_long_run_is_cut_in_the_middle_and_what_is_left_out_is_counted(lines_max: int) -> None:
    for diagram in EVERY:
        whole = text_diagram(diagram, 80).splitlines()
        lines = text_diagram(diagram, 80, lines_max).splitlines()
        if len(whole) - 1 <= lines_max:
            assert lines == whole
            continue
        assert len(lines) <= lines_max + 2
        [cut] = [number for number, line in enumerate(lines) if "steps left out" in line]
        head, tail = lines[:cut], lines[cut + 1 :]
        assert whole[: len(head)] == head
        assert whole[len(whole) - len(tail) :] == tail
        numbered = sum(bool(re.match(r" *\d+ ", line)) for line in whole[1:])
        shown = sum(bool(re.match(r" *\d+ ", line)) for line in lines[1:])
        count = re.search(r"… ([\d,]+) steps left out: (.*)", lines[cut])
        assert count is not None
        assert int(count[1].replace(",", "")) == numbered - shown
        if not count[2].endswith("…"):
            kinds = re.findall(r"(\d[\d,]*) \w+", count[2])
            assert sum(int(kind.replace(",", "")) for kind in kinds) == numbered - shown
