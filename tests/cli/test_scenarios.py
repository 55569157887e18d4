"""`quorate simulate --scenario` and `--adversary`, as their users see them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from quorate.cli import BAD_ARGUMENTS, run


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def call(capsys: pytest.CaptureFixture[str], command: str) -> tuple[int, str, str]:
    code = run(["simulate", *command.split()])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_scenario_is_told_and_drawn_in_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "two_generals --scenario two-generals")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    story, picture, verdict = (
        out.index(text) for text in ("partition: a | b", "│──── Letter ────▶│", "Seed 0 holds")
    )
    assert story < picture < verdict
    assert "It reached: one attacks alone." in out
    assert "6 rounds, 4,096 patterns of loss: 1 group of runs" in out
    assert "●○ ○○ ○○  looks to a like  ○○ ○○ ○○" in out


def test_a_deadlock_is_named_and_contrasted(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "ben_or --scenario topology-deadlock")
    assert code == 0
    assert "violates: links never wait for each other (link n2→n1 waits for node" in out
    assert "With link_full=drop the same seed holds." in out


def test_money_is_lost_without_two_phase_commit_and_not_with_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = call(capsys, "bank --world naive --scenario cash-machine")
    assert (code, "Seed 0 violates: cash issued = money deducted." in out) == (0, True)
    assert "Issued(300)" not in out
    code, out, _ = call(capsys, "bank --scenario cash-machine")
    assert (code, "Seed 0 holds" in out) == (0, True)
    assert out.index("asks what was decided") < out.index("machine: Issued(300)")


def test_a_scenario_that_does_not_show_its_point_is_undecided(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = call(
        capsys, "two_phase_commit --scenario topology-deadlock --set link_buffer=99"
    )
    assert code == 2
    assert "No seed of 100 shows what was to be shown" in out


def test_scenarios_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "paxos --scenario list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if line[2] != " "] == [
        "partition-and-heal",
        "leader-crash",
        "duelling-leaders",
        "topology-deadlock",
    ]
    code, out, _ = call(capsys, "paxos --scenario list --json")
    assert [each["name"] for each in msgspec.json.decode(out)][-1] == "topology-deadlock"


def test_a_scenario_comes_as_json_and_leaves_a_trace(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trace = tmp_path / "trace.json"
    command = f"paxos --scenario leader-crash --seed 3 --json --trace {trace}"
    code, out, _ = call(capsys, command)
    data = msgspec.json.decode(out)
    assert (code, data["shown"], data["seed"], data["violated"]) == (0, True, 3, None)
    assert data["notes"][0]["note"].endswith("leads, and now it crashes.")
    assert run(["replay", str(trace)]) == 0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("paxos --scenario war", "there is no scenario 'war'."),
        ("paxos --scenario war.toml", "cannot read war.toml"),
        ("paxos --scenario leader-crash --seeds 3", "one run, or many: give --seed or --scenario"),
        (
            "paxos --adversary silent",
            "--adversary takes NAME=NODE, such as silent=n1, not",
        ),
        ("paxos --adversary silent=x", "there is no node 'x' for silent."),
    ],
)
def test_bad_arguments_are_named(
    capsys: pytest.CaptureFixture[str], command: str, message: str
) -> None:
    code, out, err = call(capsys, command)
    assert (code, out) == (BAD_ARGUMENTS, "")
    assert message in " ".join(err.split())


def test_a_file_may_set_faults_and_nothing_else(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nshows = "loss"\n[settings]\nlosss = 0.1\n')
    code, _, err = call(capsys, f"paxos --scenario {path}")
    assert code == BAD_ARGUMENTS
    assert "'losss'" in err
    path.write_text(path.read_text().replace("losss", "loss"))
    assert call(capsys, f"paxos --scenario {path}")[0] == 0


def test_a_failure_with_an_adversary_can_be_run_again(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "paxos --seeds 20 --adversary equivocator=p1")
    assert code == 1
    line = next(line for line in out.splitlines() if line.startswith("seed "))
    command = line.partition("quorate simulate ")[2]
    assert "--adversary equivocator=p1" in command
    assert call(capsys, command)[0] == 1


def test_coverage_is_told_in_eighty_columns_and_does_not_depend_on_jobs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = "two_phase_commit --world small --seeds 60 --calm --set loss=0.2 --coverage"
    code, out, err = call(capsys, command)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert "Participant" in out
    assert "of the 111 states that the checker reaches: " in out
    one, two = (
        msgspec.json.decode(call(capsys, f"{command} --json --jobs {jobs}")[1]) for jobs in (1, 2)
    )
    assert one == two
    assert one["visited"] / one["reachable"] == one["share"]
    assert one["pairs"] == sum(bool(n) for row in one["states"] for n in row["faults"].values())


def test_coverage_says_where_states_are_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "lease --seeds 1 --coverage")
    assert code == 2
    assert "visited is unknown: " in out
    assert "Timed" in out
    code, _, err = call(capsys, "lease --seed 1 --coverage")
    assert code == BAD_ARGUMENTS
    assert "--coverage is of many seeds of one protocol" in err
