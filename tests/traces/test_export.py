"""Every format, against that format's own rules, by readers that share no code with the writers."""

from __future__ import annotations

import json
import re
from collections import Counter as Tally
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from quorate.check.linearizability import read_history
from quorate.kernel import Crash, Request, UsageError, core, messages_of
from quorate.kernel.trace import read
from quorate.properties.linearizable import Called, Returned
from quorate.traces.export import FORMATS, OWN, check_name, is_own, write_trace
from quorate.traces.jepsen import edn, history, json_lines
from quorate.traces.shiviz import shiviz
from quorate.traces.spacetime import retell
from sim.toys import Counter, Sender, run, world
from traces.weather import diagrams, stormy

EVERY = diagrams(6)


# ShiViz: js/model/parser.js and modelGraph.js.


def shiviz_log(text: str) -> list[tuple[str, dict[str, int], str]]:
    """Host, clock and event of each line, by the file's own expression, as ShiViz applies it."""
    expression, delimiter, *lines = text.removesuffix("\n").split("\n")
    assert delimiter == ""
    pattern = re.compile("^" + expression.replace("(?<", "(?P<") + "$")
    found = []
    for line in lines:
        match = pattern.match(line)
        assert match, line
        found.append((match["host"], json.loads(match["clock"]), match["event"]))
    return found


def check_clocks(log: list[tuple[str, dict[str, int], str]]) -> None:
    """ShiViz's rules for clocks."""
    steps: dict[str, list[dict[str, int]]] = {}
    for host, clock, _ in log:
        assert all(isinstance(count, int) and count > 0 for count in clock.values())
        assert clock[host] == len(steps.setdefault(host, [])) + 1, "own entries count 1, 2, 3, …"
        steps[host].append(clock)
    for _, clock, _ in log:
        for other, count in clock.items():
            assert count <= len(steps.get(other, [])), "whoever is named logs so many steps"
            # What was known where it comes from is known here: clocks are causally closed.
            known = steps[other][count - 1]
            assert all(clock.get(name, 0) >= number for name, number in known.items())
    for clocks in steps.values():
        for before, after in pairwise(clocks):
            assert all(after.get(name, 0) >= count for name, count in before.items())


def test_a_shiviz_log_keeps_the_rules_of_its_clocks() -> None:
    for diagram in EVERY:
        log = shiviz_log(shiviz(diagram))
        assert [event for *_, event in log] == [" ".join(s.line.split()) for s in diagram.steps]
        check_clocks(log)


def test_a_log_with_a_gap_or_a_clock_from_nowhere_is_refused() -> None:
    log = shiviz_log(shiviz(EVERY[0]))
    with pytest.raises(AssertionError):
        check_clocks([log[0], *log[2:]] if log[1][0] == log[0][0] else log[1:])
    host, clock, event = log[-1]
    with pytest.raises(AssertionError, match="logs so many steps"):
        check_clocks([*log[:-1], (host, {**clock, "nobody": 1}, event)])


# EDN: github.com/edn-format/edn, as far as histories need it; Jepsen: jepsen-io/history.


TOKEN = re.compile(
    r"""\s*,?\s*(?: (?P<open>[\[{]) | (?P<close>[\]}]) | (?P<text>"(?:[^"\\]|\\[tnr"\\])*")
    | (?P<keyword>:[A-Za-z*+!_?<>=.-][A-Za-z0-9*+!_?<>=.#-]*) | (?P<word>nil|true|false)
    | (?P<number>-?(?:0|[1-9][0-9]*)) )(?=[\s,\]}]|$|(?<=[\[{]))""",
    re.VERBOSE,
)


def read_edn(line: str) -> Any:
    """One EDN value that takes up the whole line."""
    position, stack, closers = 0, [[]], []
    while position < len(line):
        match = TOKEN.match(line, position)
        assert match, line[position:]
        position = match.end()
        if match["open"]:
            stack.append([])
            closers.append("]" if match["open"] == "[" else "}")
        elif match["close"]:
            assert closers.pop() == match["close"]
            items = stack.pop()
            if match["close"] == "}":
                assert len(items) % 2 == 0
                items = dict(zip(items[::2], items[1::2], strict=True))
            stack[-1].append(items)
        elif match["text"]:
            stack[-1].append(json.loads(match["text"]))
        elif match["keyword"]:
            stack[-1].append(match["keyword"])
        elif match["word"]:
            stack[-1].append({"nil": None, "true": True, "false": False}[match["word"]])
        else:
            stack[-1].append(int(match["number"]))
    assert not closers
    [[value]] = stack
    return value


def check_history(operations: list[dict[str, Any]]) -> Tally[str]:
    """Jepsen's rules; how many operations there are of each type."""
    open_of: dict[int, str] = {}
    ended: set[int] = set()
    time = 0
    for number, each in enumerate(operations):
        assert each["index"] == number
        assert each["time"] >= time, "nanoseconds since the start"
        time = each["time"]
        process, kind = each["process"], each["type"]
        assert kind in ("invoke", "ok", "fail", "info")
        if not isinstance(process, int):
            assert kind == "info", "no client"
        elif kind == "invoke":
            assert process not in open_of
            assert process not in ended, "what ended with info never invokes again"
            open_of[process] = each["f"]
        else:
            assert open_of.pop(process) == each["f"]
            ended |= {process} if kind == "info" else set()
    assert not open_of
    return Tally(each["type"] for each in operations)


def test_a_history_keeps_jepsens_rules_in_edn_and_in_json() -> None:
    seen: Tally[str] = Tally()
    for diagram in EVERY:
        lines = [read_edn(line) for line in edn(diagram).splitlines()]
        bare = [{key[1:]: unkeyed(item) for key, item in line.items()} for line in lines]
        assert bare == [json.loads(line) for line in json_lines(diagram).splitlines()]
        for line in lines:
            assert line[":type"][0] == line[":f"][0] == ":"
            assert isinstance(line[":process"], int) or line[":process"][0] == ":"
        seen += check_history(bare)
    assert {"invoke", "ok", "info"} <= set(seen)


def unkeyed(value: Any) -> Any:
    return value[1:] if isinstance(value, str) and value.startswith(":") else value


def test_a_history_has_what_was_asked_and_answered_and_what_befell_the_nodes() -> None:
    for diagram in EVERY:
        operations = history(diagram)
        facts = [fact for step in diagram.steps for _, fact in step.facts]
        others = [fact for fact in facts if not isinstance(fact, Request)]
        of_clients = [o for o in operations if isinstance(o["process"], int)]
        answered = sum(o["type"] == "ok" for o in of_clients)
        stated = [o for o in operations if o["process"] not in ("nemesis",)]
        told_by_others = sum(not isinstance(o["process"], int) for o in stated)
        assert answered + told_by_others == len(others)
        crashed = sum(isinstance(core(step.event), Crash) for step in diagram.steps)
        assert sum(o["f"] == "crash" for o in operations) == crashed


def test_calls_and_returns_become_operations_that_can_be_judged(tmp_path: Path) -> None:
    class Caller(Sender):
        def on_start(self, ctx, recovered) -> None:  # type: ignore[no-untyped-def]
            ctx.output(Called("write", 3, key="x"))
            ctx.output(Returned(None))
            ctx.output(Called("read", key="x"))

    of = world(Caller("s", ()))
    trace = run(of).trace
    assert trace is not None
    path = tmp_path / "t.history.jsonl"
    write_trace(trace, of.processes, path)
    first, second = read_history(path)
    assert (first.name, first.argument, first.key, first.result) == ("write", 3, "x", None)
    assert (second.name, second.returned) == ("read", None)


# Chrome: the Trace Event Format, sections on complete, flow, instant and metadata events.


FIELDS = {"X": {"dur"}, "s": {"id"}, "f": {"id", "bp"}, "i": {"s"}, "M": {"args"}}


def check_chrome(data: dict[str, Any]) -> dict[str, int]:
    """The rules of the format; how many events there are of each phase."""
    events = data["traceEvents"]
    slices: dict[int, list[tuple[int, int]]] = {}
    flows: dict[int, dict[str, Any]] = {}
    for event in events:
        phase = event["ph"]
        assert FIELDS[phase] <= set(event)
        assert isinstance(event["name"], str)
        assert isinstance(event["pid"], int)
        if phase == "M":
            continue
        assert event["ts"] >= 0
        assert event["cat"]
        if phase == "X":
            slices.setdefault(event["pid"], []).append((event["ts"], event["ts"] + event["dur"]))
        elif phase == "s":
            assert flows.setdefault(event["id"], event) is event, "one beginning for each flow"
    for on_node in slices.values():
        assert all(a[1] <= b[0] for a, b in pairwise(sorted(on_node))), "slices do not overlap"
    begins = {pid: {start for start, _ in on_node} for pid, on_node in slices.items()}
    for event in events:
        if event["ph"] in "sf":
            assert event["ts"] in begins[event["pid"]], "the ends of a flow lie within slices"
        if event["ph"] == "f":
            begun = flows.pop(event["id"])
            assert (begun["name"], begun["cat"]) == (event["name"], event["cat"])
            assert begun["ts"] < event["ts"]
            assert event["bp"] == "e"
    assert not flows, "every flow ends"
    return Tally(event["ph"] for event in events)


def test_a_chrome_trace_keeps_the_rules_of_the_format() -> None:
    for diagram in EVERY:
        count = check_chrome(json.loads(FORMATS[".chrome.json"](diagram)))
        assert count["X"] == len(diagram.steps)
        arrived = [m for m in diagram.messages if m.received is not None and not m.local]
        assert count["s"] == count["f"] == len(arrived)


def test_a_step_in_a_chrome_trace_has_a_later_time_and_vector_than_its_message() -> None:
    for diagram in EVERY[:4]:
        events = json.loads(FORMATS[".chrome.json"](diagram))["traceEvents"]
        steps = {(e["pid"], e["ts"]): e["args"] for e in events if e["ph"] == "X"}
        sent = {e["id"]: steps[e["pid"], e["ts"]] for e in events if e["ph"] == "s"}
        arrived = {e["id"]: steps[e["pid"], e["ts"]] for e in events if e["ph"] == "f"}
        assert sent.keys() == arrived.keys() != set()
        for message, before in sent.items():
            after = arrived[message]
            assert before["lamport"] < after["lamport"]
            assert all(count <= after["vector"][n] for n, count in before["vector"].items())


# Mermaid: the grammar of sequence diagrams (sequenceDiagram.jison), as far as we use it.


MERMAID = re.compile(
    r"""sequenceDiagram
    |\ \ participant\ N\d+\ as\ [^;#\n]*(?:\#(?:\d+|lt|gt);[^;#\n]*)*
    |\ \ N\d+(?:->>|-->>|-x)N\d+:\ (?P<message>[^;#\n]*(?:\#(?:\d+|lt|gt);[^;#\n]*)*)
    |\ \ note\ over\ N\d+(?:,N\d+)?:\ [^;#\n]*(?:\#(?:\d+|lt|gt);[^;#\n]*)*""",
    re.VERBOSE,
)


def test_a_mermaid_diagram_is_within_the_grammar_and_has_every_message() -> None:
    for diagram in EVERY:
        lines = FORMATS[".mmd"](diagram).splitlines()
        matches = [MERMAID.fullmatch(line) for line in lines]
        assert all(matches), next(x for x, m in zip(lines, matches, strict=True) if not m)
        assert lines[0] == "sequenceDiagram"
        assert sum("participant" in line for line in lines) == len(diagram.nodes)
        messages = sum(match["message"] is not None for match in matches if match)
        assert messages == sum(not message.local for message in diagram.messages)


def test_text_that_would_end_a_line_of_mermaid_is_escaped() -> None:
    class Odd(Counter):
        pass

    of = world(Sender("a;b #1%", ("c",)), Counter("c"))
    trace = run(of).trace
    assert trace is not None
    text = FORMATS[".mmd"](retell(trace, of.processes))
    assert "participant N0 as a#59;b #35;1#37;\n" in text


# Names choose formats.


def written(tmp_path: Path, name: str) -> str:
    of, trace = stormy("paxos", "main", {}, 1)
    write_trace(trace, of.processes, tmp_path / name)
    return (tmp_path / name).read_text()


@pytest.mark.parametrize("end", FORMATS)
def test_the_end_of_a_name_chooses_the_format(tmp_path: Path, end: str) -> None:
    of, trace = stormy("paxos", "main", {}, 1)
    assert written(tmp_path, f"t{end}") == FORMATS[end](retell(trace, of.processes))
    assert not is_own(Path(f"t{end}"))


@pytest.mark.parametrize("end", OWN)
def test_a_trace_in_its_own_format_comes_back_as_it_was(tmp_path: Path, end: str) -> None:
    of, trace = stormy("paxos", "main", {}, 1)
    assert trace.notes
    write_trace(trace, of.processes, tmp_path / f"t{end}")
    assert read(tmp_path / f"t{end}", messages_of(of.processes)) == trace


def test_a_name_that_says_nothing_is_refused_before_anything_is_run() -> None:
    with pytest.raises(UsageError, match=r"t.pdf: the end of the name .* \.json, .*\.shiviz"):
        check_name(Path("t.pdf"))


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write .*t.edn: No such file"):
        written(tmp_path, "no/t.edn")
