"""The catalogue: finding protocols, reading their docstrings, building their worlds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quorate.kernel import UsageError, World
from quorate.mutants import find_mutants
from quorate.protocols import (
    all_protocols,
    build_world,
    find,
    names,
    settings_of,
    world_maker,
    worlds_of,
)


def test_every_module_is_in_the_catalogue_by_name() -> None:
    assert names() == tuple(sorted(names()))
    assert {"paxos", "multi_paxos"} <= set(names())
    assert tuple(protocol.name for protocol in all_protocols()) == names()


def test_a_docstring_is_read_by_sections() -> None:
    paxos = find("paxos")
    assert paxos.title == "Paxos"
    assert paxos.summary.startswith("agree on one value")
    assert paxos.entries("Roles")["Learner"] == "hears of success"
    stable = ["Acceptor.promised", "Acceptor.vote", "Proposer.round", "Latecomer.round"]
    assert list(paxos.entries("Stable")) == stable


def test_a_section_of_several_lines_is_read_as_one_text() -> None:
    assert "Paxos Made Live, PODC 2007" in find("multi_paxos").sections["Source"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: find("paxso"), r"no protocol 'paxso'. Did you mean paxos .* There is: .*paxos"),
        (lambda: find("zzz"), r"^there is no protocol 'zzz'. There is: "),
        (lambda: build_world("paxos", "smal"), "no world 'smal'. Did you mean small"),
        (lambda: build_world("paxos", settings={"round": 1}), "no setting 'round'.*rounds=0"),
        (lambda: build_world("paxos", settings={"rounds": "1.5"}), "rounds: '1.5' is not of type"),
        (lambda: build_world("paxos", mutant="none"), "no mutant 'none'"),
        (lambda: build_world("paxos", "small", mutant="forgets_vote"), "a world of its own"),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(call: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()


@pytest.mark.parametrize("value", [3, "3"])
def test_settings_may_be_text_or_values(value: object) -> None:
    assert len(build_world("paxos", settings={"proposers": value}).processes) == 3 + 3 + 1


@pytest.mark.parametrize(("text", "asked"), [("true", 2), ("1", 2), ("false", 3), ("0", 3)])
def test_a_setting_that_is_a_choice_of_yes_and_no_is_read_from_text(text: str, asked: int) -> None:
    world = build_world("paxos", settings={"thrifty": text})
    assert len(world.processes[0].quorums.phase1.nodes) == asked  # type: ignore[attr-defined]


def test_settings_are_listed_with_their_defaults() -> None:
    assert settings_of(world_maker("paxos"))["acceptors"] == 3


def test_a_mutant_is_built_in_its_own_world() -> None:
    for mutant in find_mutants("paxos"):
        assert isinstance(build_world("paxos", mutant=mutant.name), World)


# A file is as good as a name.

FILE = """
from quorate.kernel import Actor, World

class Idle(Actor):
    pass

def world(nodes: int = 2) -> World:
    return World(processes=tuple(Idle(f"n{i}") for i in range(nodes)), properties=())
"""


def test_a_world_of_a_file_is_built_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "idle.py"
    path.write_text(FILE)
    assert len(build_world(str(path), settings={"nodes": "3"}).processes) == 3
    assert list(worlds_of(str(path))) == ["main"]


def test_a_file_may_name_several_worlds(tmp_path: Path) -> None:
    path = tmp_path / "several.py"
    path.write_text(FILE + "WORLDS = {'main': world, 'one': lambda: world(1)}\n")
    assert len(build_world(str(path), "one").processes) == 1
    with pytest.raises(UsageError, match="no world 'two'"):
        build_world(str(path), "two")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no file .*file.py"),
        ("x = 1\n", "has no function `world`"),
        ("\nimport nothing_of_that_name\n", "in line 2: ModuleNotFoundError: No module named"),
        ("def\n", r"file.py: SyntaxError: invalid syntax \(file.py, line 1\)"),
    ],
)
def test_a_file_that_is_no_protocol_is_refused_with_the_reason(
    tmp_path: Path, text: str | None, message: str
) -> None:
    path = tmp_path / "file.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=message):
        worlds_of(str(path))
