"""The command line as its users see it: output, exit codes, errors that help."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

import quorate.cli.bench_cost as bench_cost
import quorate.cli.mutants as mutants_module
import quorate.cli.protocols as protocols_module
from quorate.cli import BAD_ARGUMENTS, CRASH, INTERRUPTED, run, terminal
from quorate.kernel import UsageError
from quorate.mutants import find_mutants
from quorate.protocols import build_world, find, names
from quorate.sim import spreading
from quorate.sim.quiet import cost_rows
from quorate.traces.export import FORMATS

Quorate = Callable[..., tuple[int, str, str]]


@pytest.fixture
def quorate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Quorate:
    """Runs a command line; gives its exit code and what it wrote to stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_without_arguments_it_shows_its_help(quorate: Quorate) -> None:
    code, out, err = quorate()
    assert (code, err) == (0, "")
    assert out.startswith("Usage: quorate")


def test_the_version_is_that_of_the_package(quorate: Quorate) -> None:
    code, out, _ = quorate("--version")
    assert code == 0
    assert out.strip().count(".") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("chek",), "No such command 'chek'. Did you mean 'check'?"),
        (("check",), "name a protocol; quorate protocols lists them"),
        (("simulate",), "name a protocol, or give --all, not both"),
        (("simulate",), "name a protocol, or give --all"),
        (("check", "paxo"), "there is no protocol 'paxo'. Did you mean paxos"),
        (("check", "paxos", "--world", "mian"), "there is no world 'mian'. Did you mean main?"),
        (("check", "paxos", "--mutant", "x"), "there is no mutant 'x'. There is: forgets_vote"),
        (
            ("check", "paxos", "--world", "small", "--mutant", "forgets_vote"),
            "mutant forgets_vote has a world of its own",
        ),
        (("check", "paxos", "--set", "proposer=1"), "Did you mean proposers?"),
        (("check", "paxos", "--set", "proposers=x"), "setting proposers: 'x' is not of type int"),
        (("check", "paxos", "--set", "proposers"), "--set takes NAME=VALUE, not 'proposers'"),
        (("check", "paxos", "--set", "rounds=1", "--set", "rounds=2"), "rounds is given twice"),
        (("check", "paxos", "--network", "bad"), "'bad' is not one of 'set', 'multiset', 'fifo'"),
        (
            ("check", "paxos", "--mutants", "--crashes", "1"),
            "--mutants checks each mutant in its own world",
        ),
        (
            ("simulate", "paxos", "--seed", "1", "--seeds", "2"),
            "give --seed or --scenario, or else --seeds",
        ),
        (("simulate", "paxos", "--set", "lost=1"), "There is: proposers=2, acceptors=3"),
        (("simulate", "paxos", "--set", "loss=x", "--seeds", "1"), "fault settings"),
        (("simulate", "paxos", "--seeds", "0"), "greater than or equal to 1"),
        (("show", "paxos", "--source", "--json"), "--source and --json exclude each other"),
        (("replay", "no.such.file"), "cannot read no.such.file: No such file"),
    ],
)
def test_bad_arguments_are_named_with_what_to_do_instead(
    quorate: Quorate, arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = quorate(*arguments)
    assert (code, out) == (BAD_ARGUMENTS, "")
    assert message in " ".join(err.split())


def explode(*_: Any) -> None:
    raise RuntimeError("boom")


def test_an_unexpected_error_is_one_line_and_a_traceback_only_when_asked_for(
    quorate: Quorate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols_module, "all_protocols", explode)
    code, _, err = quorate("protocols")
    assert code == CRASH
    assert "boom" in err
    assert "Traceback" not in err
    code, _, err = quorate("--debug", "protocols")
    assert code == CRASH
    assert "Traceback" in err


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_an_interrupted_command_says_so(quorate: Quorate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols_module, "all_protocols", interrupt)
    code, _, err = quorate("protocols")
    assert (code, err.split()[-1]) == (INTERRUPTED, "interrupted")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = [sys.executable, "-m", "quorate", "show", "paxos", "--source"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_the_protocols_are_listed(quorate: Quorate) -> None:
    code, out, _ = quorate("protocols")
    assert code == 0
    entries = out.strip().split("\n\n")
    assert [entry.partition(":")[0] for entry in entries] == list(names())
    assert max(map(len, out.splitlines())) <= 80
    listed = msgspec.json.decode(quorate("protocols", "--json")[1])
    assert [each["name"] for each in listed] == list(names())
    paxos = next(each for each in listed if each["name"] == "paxos")
    assert "Paxos: Properties" in paxos["lecture"]
    assert all(each["model"] and each["quorum"] and each["cost"] for each in listed)


@pytest.mark.parametrize("name", names())
def test_a_protocol_is_shown_in_eighty_columns(quorate: Quorate, name: str) -> None:
    code, out, err = quorate("show", name)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert "A run without failures" in out
    assert "\x1b" not in out


def test_the_diagram_draws_every_delivery_up_to_the_last_decision(quorate: Quorate) -> None:
    out = quorate("show", "paxos")[1].partition("A run without failures\n")[2]
    lines = out.partition("\n\n")[0].splitlines()
    assert lines[0].split() == ["step", "ms", "p1", "a1", "a2", "a3", "l1"]
    assert [sum(f" {name} " in line for line in lines) for name in ("Prepare", "Accept")] == [3, 3]
    assert lines[-1].endswith("● Decided(v1)")


def test_a_shown_run_says_what_it_cost(quorate: Quorate) -> None:
    said = " ".join(quorate("show", "two_phase_commit")[1].split())
    assert "costs 8 messages, 4 message delays, 4 forced writes, 3 write delays, as the" in said
    cost = msgspec.json.decode(quorate("show", "two_phase_commit", "--json")[1])["cost"]
    assert cost["messages"] == "3·participants - 1 - 2·colocated"


def test_costs_are_measured_beside_their_formulas(quorate: Quorate) -> None:
    code, out, _ = quorate("bench", "cost", "paxos")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "acceptors=7 learners=5" in out
    rows = msgspec.json.decode(quorate("bench", "cost", "two_phase_commit", "--json")[1])["rows"]
    assert len(rows) == 7 * 2 * 5
    assert rows[-2] == {
        "protocol": "two_phase_commit",
        "participants": 8,
        "faults": 0,
        "colocated": True,
        "quantity": "write delays",
        "measured": 3,
        "formula": 3,
        "exception": 0,
        "settings": {"participants": 8, "colocated": True},
    }


def test_the_size_that_is_shown_of_all_protocols_is_a_choice(
    quorate: Quorate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_cost, "all_protocols", lambda: (find("paxos_commit"), find("lease")))
    monkeypatch.setattr(bench_cost, "cost_rows", lambda _: ())
    code, out, _ = quorate("bench", "cost", "--participants", 3, "--faults", 3)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    lines = [line.split() for line in out.splitlines()]
    assert ["faster", "colocated", "20*", "3", "7", "3", "2"] in lines
    assert ["lease", "acceptors=3", "6", "2", "4", "2"] in lines


def test_a_cost_that_is_not_what_the_formula_gives_is_told_and_fails(
    quorate: Quorate, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = next(cost_rows(find("lease")))
    wrong = msgspec.structs.replace(right, formula=9)
    monkeypatch.setattr(bench_cost, "cost_rows", lambda _: [wrong])
    code, out, _ = quorate("bench", "cost", "lease")
    assert code == 1
    assert "4, not 9" in out
    assert "1 differ from what the formula gives.\nlease acceptors=2: messages 4, not 9" in out


def test_a_name_that_asks_for_no_format_is_bad_arguments(quorate: Quorate) -> None:
    code, out, err = quorate("simulate", "paxos", "--seed", 1, "--trace", "t.pdf")
    assert (code, out) == (BAD_ARGUMENTS, "")
    assert ".shiviz" in err


@pytest.mark.parametrize("end", FORMATS)
def test_a_trace_is_written_in_each_format_by_whoever_has_one(
    quorate: Quorate, tmp_path: Path, end: str
) -> None:
    broken = ("check", "paxos", "--mutant", "quorum_too_small", "--trace")
    own, made, again = tmp_path / "t.json", tmp_path / f"a{end}", tmp_path / f"b{end}"
    code, out, _ = quorate(*broken, made)
    assert code == 1
    assert "quorate replay" not in out, "only Quorate's own format can be replayed"
    quorate(*broken, own)
    quorate("replay", own, "--trace", again)
    assert made.read_text() == again.read_text()
    quorate("simulate", "paxos", "--seed", 1, "--trace", made)
    assert made.read_text() != again.read_text()


@pytest.mark.parametrize(
    ("name", "files"),
    [("lease", ["lease.py"]), ("paxos", ["paxos/__init__.py", "paxos/roles.py"])],
)
def test_the_source_of_a_protocol_is_printed_as_it_is(
    quorate: Quorate, name: str, files: list[str]
) -> None:
    folder = Path(__file__).parents[2] / "src" / "quorate" / "protocols"
    text = "\n\n".join((folder / file).read_text() for file in files)
    assert quorate("show", name, "--source")[1] == text


def test_what_show_says_is_also_data(quorate: Quorate) -> None:
    data = msgspec.json.decode(quorate("show", "paxos", "--json")[1])
    assert list(data["sections"]["Roles"]) == ["Proposer", "Acceptor", "Learner", "Latecomer"]
    assert {"name": "agreement", "kind": "always"} in data["properties"]
    assert data["worlds"]["main"]["proposers"] == 2
    assert "forgets_vote" in [mutant["name"] for mutant in data["mutants"]]


SMALL = ("check", "paxos", "--set", "proposers=1")


def test_a_world_in_which_everything_holds_is_exit_code_0(quorate: Quorate) -> None:
    code, out, err = quorate(*SMALL)
    assert (code, err) == (0, "")
    assert "agreement               always       holds" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_check_is_also_data(quorate: Quorate) -> None:
    data = msgspec.json.decode(quorate(*SMALL, "--json")[1])
    assert {"distinct", "transitions", "depth", "seconds", "properties"} <= set(data)
    assert data["properties"][0]["verdict"] == "holds"


@pytest.mark.parametrize("bound", [("--states-max", 5), ("--depth-max", 2)])
def test_a_search_cut_off_by_a_bound_is_exit_code_2(quorate: Quorate, bound: tuple) -> None:
    code, out, _ = quorate(*SMALL, *bound)
    assert code == 2
    assert "cut off at" in out


def test_networks_and_crashes_of_a_check_can_be_chosen(quorate: Quorate) -> None:
    # Success is told again and again, so that on a network that loses nothing there is no end.
    chosen = ("--network", "fifo", "--crashes", 1, "--states-max", 50)
    data = msgspec.json.decode(quorate(*SMALL, *chosen, "--json")[1])
    assert (data["network"], data["crashes"]) == ("fifo", 1)


def test_a_violation_is_told_step_by_step_and_its_trace_replays(
    quorate: Quorate, tmp_path: Path
) -> None:
    path = tmp_path / "trace.json"
    code, out, _ = quorate("check", "paxos", "--mutant", "quorum_too_small", "--trace", path)
    assert code == 1
    assert "agreement is violated, in 14 steps at the least" in out
    assert max(map(len, out.replace(str(path), "").splitlines())) <= 80
    assert f"quorate replay {path}" in out
    code, out, _ = quorate("replay", path)
    assert code == 1
    assert "All 14 steps come out as recorded: agreement is violated" in out
    data = msgspec.json.decode(quorate("replay", path, "--json")[1])
    assert (data["difference"], data["violated"]) == (None, "agreement")


def test_a_trace_that_was_tampered_with_does_not_replay(quorate: Quorate, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    quorate("check", "paxos", "--mutant", "quorum_too_small", "--trace", path)
    lines = path.read_text().splitlines()
    del lines[-2]
    path.write_text("\n".join(lines) + "\n")
    code, out, _ = quorate("replay", path)
    assert code == 2
    assert "It comes out differently at record 13" in out


def test_a_trace_that_cannot_be_written_is_bad_arguments(quorate: Quorate, tmp_path: Path) -> None:
    path = tmp_path / "no" / "trace.json"
    code, _, err = quorate("check", "paxos", "--mutant", "quorum_too_small", "--trace", path)
    assert code == BAD_ARGUMENTS
    assert "cannot write" in err


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes one mutant of a protocol the only one, with some fields replaced."""

    def keep(protocol: str, name: str, **fields: Any) -> None:
        (mutant,) = [m for m in find_mutants(protocol) if m.name == name]
        mutant = msgspec.structs.replace(mutant, **fields)
        monkeypatch.setattr(
            mutants_module, "find_mutants", lambda p: (mutant,) if p == protocol else ()
        )

    return keep


@pytest.mark.slow
def test_mutants_of_every_protocol_are_in_one_table(
    quorate: Quorate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quorate.cli.mutants.SEEDS_MAX", 1)
    code, out, _ = quorate("check", "--mutants", "--depth-max", 2, "--json")
    listed = {(row["protocol"], row["mutant"]) for row in msgspec.json.decode(out)}
    assert listed == {(m.protocol, m.name) for name in names() for m in find_mutants(name)}
    assert code in (1, 2)


def test_a_mutant_is_caught_by_the_property_that_must(
    quorate: Quorate, only: Callable[..., None]
) -> None:
    only("paxos", "quorum_too_small")
    code, out, _ = quorate("check", "paxos", "--mutants")
    assert code == 0
    assert "14 steps" in out
    assert "1 of 1 caught by the property that must" in out
    only("paxos", "quorum_too_small", kills="validity")
    assert quorate("check", "--mutants", "--json")[0] == 1


def test_a_mutant_that_breaks_nothing_survives(quorate: Quorate, only: Callable[..., None]) -> None:
    only("multi_paxos", "quorum_too_small", world=lambda: build_world("paxos", "small"))
    code, out, _ = quorate("check", "multi_paxos", "--mutants")
    assert code == 1
    assert "nothing" in out


def test_a_mutant_is_unknown_where_the_search_was_cut_off(
    quorate: Quorate, only: Callable[..., None]
) -> None:
    only("paxos", "quorum_too_small")
    code, out, _ = quorate("check", "paxos", "--mutants", "--depth-max", 2)
    assert code == 2
    assert "unknown: depth 2" in out


def test_a_mutant_that_only_seeds_find_is_looked_for_with_seeds(
    quorate: Quorate, only: Callable[..., None]
) -> None:
    only("two_phase_commit", "does_not_answer")
    code, out, _ = quorate("check", "two_phase_commit", "--mutants", "--json")
    (row,) = msgspec.json.decode(out)
    assert (code, row["by"], row["violated"]) == (0, "seeds of the simulator", "AC5 termination")
    command = ("simulate", "two_phase_commit", "--mutant", "does_not_answer", "--seed", row["seed"])
    assert quorate(*command)[0] == 1


def test_seeds_that_hold_are_exit_code_0_and_the_same_however_spread(quorate: Quorate) -> None:
    results = []
    for jobs in (1, 2):
        code, out, err = quorate("simulate", "paxos", "--seeds", 12, "--jobs", jobs, "--json")
        assert (code, err) == (0, "")
        data = msgspec.json.decode(out)
        del data["seconds"], data["cpu_seconds"]
        results.append(data)
    assert results[0] == results[1]
    assert results[0]["seeds"] == 12


def test_settings_of_the_world_and_of_the_faults_are_told_apart(quorate: Quorate) -> None:
    code, out, _ = quorate(
        "simulate", "paxos", "--calm", "--seeds", 2, "--set", "proposers=1",
        "--set", "loss=1.0", "--set", "delay_us=10,20",
    )  # fmt: skip
    assert code == 0
    assert "2 seeds" in out


def test_a_failing_seed_is_told_with_the_command_that_repeats_it(
    quorate: Quorate, tmp_path: Path
) -> None:
    broken = ("simulate", "paxos", "--set", "rounds=1", "--set", "loss=1.0")
    first = ("--seeds", 1, "--no-shrink", "--trace", tmp_path / "first.json")
    code, out, _ = quorate(*broken, *first)
    assert code == 1
    command = out.partition("seed 0 violates termination: quorate ")[2].splitlines()[0].split()
    code, out, _ = quorate(*command, "--trace", tmp_path / "second.json")
    assert code == 1
    assert "Seed 0 violates termination" in out
    assert (tmp_path / "first.json").read_bytes() == (tmp_path / "second.json").read_bytes()
    assert quorate("replay", tmp_path / "first.json")[0] == 1


@pytest.mark.parametrize("seeds", [("--seed", 13, "--shrink"), ("--seeds", 20)])
def test_a_failing_seed_becomes_a_trace_that_a_person_can_read(
    quorate: Quorate, tmp_path: Path, seeds: tuple[object, ...]
) -> None:
    path = tmp_path / "small.json"
    broken = ("simulate", "paxos", "--mutant", "quorum_too_small", *seeds)
    code, out, _ = quorate(*broken, "--trace", path)
    assert code == 1
    steps = int(out.partition("agreement is violated in ")[2].split()[0])
    assert steps <= 14  # the checker needs 14, with the starts of two nodes that take no part
    assert "Faults that matter:" in out or "No fault is needed." in out
    assert all(len(line) <= 80 for line in out.splitlines() if "quorate" not in line)
    code, out, _ = quorate("replay", path)
    assert code == 1
    assert f"All {steps} steps come out as recorded: agreement is violated" in out
    data = msgspec.json.decode(quorate(*broken, "--json")[1])
    assert data["shrunk"]["after"] == len(data["shrunk"]["steps"]) == steps


def test_what_cannot_be_shrunk_is_reported_whole(quorate: Quorate) -> None:
    slow = ("--set", "heal_ms=1", "--set", "unsafe_ms=1", "--set", "delay_us=900000,900000")
    code, out, err = quorate("simulate", "paxos", "--calm", *slow, "--seed", 0, "--shrink")
    assert code == 1
    assert "not shrunk: the trace does not violate termination when it is run again" in err
    assert "Seed 0 violates termination" in out


def test_seeds_are_divided_over_all_protocols(quorate: Quorate) -> None:
    code, out, err = quorate("simulate", "--all", "--seeds", 18 * len(names()) + 1, "--json")
    assert (code, err) == (0, "")
    data = msgspec.json.decode(out)
    assert [row["seeds"] for row in data["rows"]] == [19] + [18] * (len(names()) - 1)
    assert [row["protocol"] for row in data["rows"]] == list(names())
    assert data["seeds"] == data["asked"] == 18 * len(names()) + 1
    assert data["deliveries"] == sum(row["deliveries"] for row in data["rows"])
    code, out, _ = quorate("simulate", "--all", "--seeds", 1, "--set", "heal_ms=0")
    assert "together" in out


def test_mutants_are_hunted_by_seeds(quorate: Quorate) -> None:
    code, out, _ = quorate("simulate", "reliable_link", "--mutants", "--seeds", 30)
    assert code in (0, 2)
    assert "delivers_again" in out
    assert "found by seeds." in out
    assert all(len(line) <= 80 for line in out.splitlines())
    code, out, _ = quorate(
        "simulate", "paxos", "--mutants", "--seeds", 1, "--scheduler", "pct", "--json"
    )
    assert code == 2
    rows = msgspec.json.decode(out)
    assert {row["scheduler"] for row in rows} == {"pct"}
    assert any(row["seed"] is None and row["command"] is None for row in rows)
    code, out, _ = quorate("simulate", "paxos", "--mutants", "--seeds", 1)
    assert code == 2
    assert "Only the checker finds: paxos" in out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("paxos", "--all"),
        ("--all", "--world", "small"),
        ("--all", "--seed", 1),
        ("--all", "--mutants", "--set", "rounds=1"),
        ("paxos", "--mutants", "--calm"),
        ("paxos", "--scheduler", "no"),
        ("nothing", "--mutants"),
        ("paxos", "--dask", "tcp://127.0.0.1:9"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_bad_arguments(
    quorate: Quorate, arguments: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreading, "CONNECT_S", 0.5)
    assert quorate("simulate", *arguments)[0] == BAD_ARGUMENTS


def test_a_goal_that_no_seed_reaches_is_unknown(quorate: Quorate) -> None:
    code, out, _ = quorate(
        "simulate", "paxos", "--seeds", 1, "--set", "heal_ms=0", "--set", "unsafe_ms=0"
    )
    assert code in (1, 2)
    assert "no seed reached it" in out


def test_one_seed_is_also_data(quorate: Quorate) -> None:
    data = msgspec.json.decode(quorate("simulate", "paxos", "--seed", 7, "--json")[1])
    assert (data["seed"], data["violated"]) == (7, None)
    assert data["command"] == "quorate simulate paxos --seed 7"


def test_a_column_of_text_is_wrapped_beside_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.entry("name", "word " * 40, 6)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 1
    assert lines[0].startswith("  name    word")
    assert all(line.startswith(" " * 10 + "word") for line in lines[1:])


def test_brackets_in_a_table_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.table(("a",), [("[bold]x",)])
    assert "[bold]x" in capsys.readouterr().out


def test_a_setting_may_contain_an_equals_sign() -> None:
    assert terminal.parse_settings(["a=b=c"]) == {"a": "b=c"}
    with pytest.raises(UsageError):
        terminal.parse_settings(["=b"])


def test_progress_is_shown_only_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now)
    out = io.StringIO()
    ticker = terminal.Ticker(Console(file=out, force_terminal=True))
    ticker.show("10 seeds")
    assert out.getvalue() == ""
    now = terminal.PROGRESS_AFTER_S + 0.1
    ticker.show("20 seeds")
    ticker.close()
    assert "20 seeds" in out.getvalue()


def test_there_is_no_progress_where_stderr_is_no_terminal() -> None:
    with terminal.ticker() as tick:
        assert tick is None


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colour_is_for_terminals_and_no_color_is_honoured(
    monkeypatch: pytest.MonkeyPatch, no_color: str, coloured: bool
) -> None:
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", no_color)
    terminal.table(("verdict",), [("violated",)])
    assert ("\x1b[1;31m" in out.getvalue()) is coloured


@pytest.mark.slow
def test_bench_simulate_measures_one_core_all_cores_and_peers(
    quorate: Quorate, tmp_path: Path
) -> None:
    data = msgspec.json.decode(quorate("bench", "simulate", "--seconds", "0.5", "--json")[1])
    assert data["deliveries_per_second"] > 0 < data["seeds_per_second_per_core"]
    assert set(data["seeds"]) == {"calm", "chaos", "swarm"}
    assert data["scaling"] > 0 < data["simpy_events_per_second"]
    assert "simloop" not in data
    code, _, err = quorate("bench", "simulate", "--seconds", "0.5", "--simloop", str(tmp_path))
    assert code == 254
    assert "is no checkout of simloop" in " ".join(err.split())
