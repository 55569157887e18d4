"""Sizes, docstrings and words. What exceeds a limit today is listed, and may only shrink."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
from pathlib import Path

import pytest

from meta.source import PACKAGE, ROOT, files, label, module, tree

FILE_LINES_MAX = 400
PROTOCOL_LINES = (80, 250)
FUNCTION_LINES_MAX = 50
KERNEL_LINES_MAX = 800

LONG_FILES: dict[str, int] = {}
LONG_FUNCTIONS: dict[str, int] = {}


CATALOGUE = PACKAGE / "protocols"


def is_of_a_protocol(path: Path) -> bool:
    """Of a protocol that is a file, or a package of several."""
    return CATALOGUE in path.parents and path != CATALOGUE / "__init__.py"


def limit_of(path: Path) -> int:
    return PROTOCOL_LINES[1] if is_of_a_protocol(path) else FILE_LINES_MAX


@pytest.mark.parametrize("path", files(), ids=label)
def test_a_file_stays_within_its_size(path: Path) -> None:
    count, most = len(path.read_text().splitlines()), limit_of(path)
    known = LONG_FILES.get(label(path))
    assert count <= (known or most)
    assert known is None or known == count > most, "it has shrunk: lower its entry in LONG_FILES"


@pytest.mark.parametrize("path", [p for p in files() if is_of_a_protocol(p)], ids=label)
def test_a_protocol_is_long_enough_to_be_one(path: Path) -> None:
    assert len(path.read_text().splitlines()) >= PROTOCOL_LINES[0]


@pytest.mark.parametrize("path", files(), ids=label)
def test_a_function_stays_within_its_size(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            count = (node.end_lineno or 0) - node.lineno + 1
            name = f"{label(path)}:{node.name}"
            known = LONG_FUNCTIONS.get(name)
            assert count <= (known or FUNCTION_LINES_MAX), name
            assert known is None or known == count, f"{name}: lower its entry in LONG_FUNCTIONS"


def code_lines(path: Path) -> int:
    """Lines of a file that are neither blank, comment, docstring nor import."""
    lines = {
        number
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if line.strip() and not line.strip().startswith("#")
    }
    for node in ast.walk(tree(path)):
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if text or isinstance(node, ast.Import | ast.ImportFrom):
            lines -= set(range(node.lineno, (node.end_lineno or 0) + 1))  # type: ignore[attr-defined]
    return len(lines)


def test_the_kernel_stays_small() -> None:
    kernel = [path for path in files() if path.parent.name == "kernel"]
    assert sum(map(code_lines, kernel)) <= KERNEL_LINES_MAX


@pytest.mark.parametrize("path", files(), ids=label)
def test_what_is_public_says_what_it_does(path: Path) -> None:
    """Modules, classes, functions and methods, except what is said elsewhere: an override by what
    it overrides, a message by its protocol's list, a handler by its message, a mutant by its entry.
    """
    if label(path) == "__main__.py":
        return
    home = importlib.import_module(module(path))
    silent = []
    for name, thing in vars(home).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != home.__name__:
            continue
        if inspect.isfunction(thing) and not thing.__doc__:
            silent.append(name)
        if inspect.isclass(thing):
            silent += [f"{name}.{method}" for method in silent_methods(path, thing)]
            if not (own_doc(thing) or is_said_elsewhere(path, thing)):
                silent.append(name)
    assert not silent


def own_doc(cls: type) -> bool:
    return bool(cls.__dict__.get("__doc__"))


def is_said_elsewhere(path: Path, cls: type) -> bool:
    from quorate.kernel import Message

    in_catalogue = is_of_a_protocol(path) and issubclass(cls, Message)
    return in_catalogue or path.parent.name == "mutants"


def silent_methods(path: Path, cls: type) -> list[str]:
    if is_of_a_protocol(path) or path.parent.name == "mutants":
        return []  # handlers and their helpers, in the paper's words
    return [
        name
        for name, method in vars(cls).items()
        if not name.startswith("_")
        and (inspect.isfunction(method) or isinstance(method, property))
        and not method.__doc__
        and not any(hasattr(base, name) for base in cls.__mro__[1:])
    ]


WORDS = re.compile(
    r"\b(TODO|FIXME|XXX|HACK)\b|/(root|home|tmp)/\w+|\bnoqa: *$|https?://[^ ]*(pypi|proxy)"
)


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name]


def test_no_file_mentions_a_machine_or_unfinished_business() -> None:
    found = []
    for path in tracked():
        if path == Path(__file__) or not path.exists():
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if WORDS.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found


def test_the_package_tells_type_checkers_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
