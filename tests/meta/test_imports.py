"""What may import what."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from meta.source import PACKAGE, files, imported, label, module, tree

CORE = {"kernel"}
AGREEMENT = {"kernel", "properties", "protocols"}
ALLOWED = {
    "": set(),
    "__main__": {"cli"},
    "kernel": set(),
    "properties": CORE,
    "protocols": {"kernel", "properties"},
    "mutants": AGREEMENT,
    "adversary": CORE,
    "check": {"kernel", "adversary", "properties", "traces"},
    "traces": {"kernel", "properties"},
    # Campaigns name their world, since a world cannot travel to another process; a simulated disk
    # holds a log as the runtime writes and reads it.
    "sim": {*AGREEMENT, "adversary", "mutants", "runtime", "traces"},
    "lecture": {*AGREEMENT, "check", "sim", "traces"},
    "runtime": CORE,
    "service": {*AGREEMENT, "runtime"},
    "transactions": {*AGREEMENT, "runtime", "service"},
    "console": {*AGREEMENT, "adversary", "sim", "check", "runtime", "service"},
}
"""Who may import whom; whoever is not listed (cli) may import everybody."""

CATALOGUE = {"protocols/__init__.py": {"mutants"}}
"""Imports within a function: the catalogue finds mutants, which build on protocols."""

BANNED = {
    "asyncio", "datetime", "logging", "os", "random", "secrets", "socket", "threading", "time",
    "uuid",
}  # fmt: skip


def part(path: Path) -> str:
    top = path.relative_to(PACKAGE).parts[0]
    return {"__init__.py": "", "__main__.py": "__main__"}.get(top, top)


def parts_of(names: set[str]) -> set[str]:
    """The parts of the package among imported names."""
    return {name.split(".")[1] for name in names if name.startswith("quorate.")}


@pytest.mark.parametrize("path", files(), ids=label)
def test_a_module_imports_only_what_its_part_may(path: Path) -> None:
    mine = part(path)
    if mine not in ALLOWED:
        assert mine == "cli", f"say in this test what {mine}/ may import"
        return
    every = parts_of(imported(ast.walk(tree(path)))) - {mine}
    at_top = parts_of(imported(list(tree(path).body))) - {mine}
    later = CATALOGUE.get(label(path), set())
    assert every <= ALLOWED[mine] | later
    assert not at_top & later


@pytest.mark.parametrize(
    "path", [path for path in files() if part(path) in ("kernel", "protocols")], ids=label
)
def test_kernel_and_protocols_have_no_clock_no_chance_and_no_input_or_output(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(ast.walk(tree(path)))} & BANNED
    called = {
        node.func.id
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    writes_steps = {"exec"} if label(path) == "kernel/actor.py" else set()
    assert not called & {"open", "print", "input", "eval", "exec"} - writes_steps


@pytest.mark.parametrize("path", files(), ids=label)
def test_every_module_can_be_imported(path: Path) -> None:
    if label(path) != "__main__.py":  # importing it runs the command
        assert importlib.import_module(module(path)).__doc__, "a module says what it is"
