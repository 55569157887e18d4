"""Every code block of every guide: files are written, commands run, and what they print compared.

    ```python FILE          the file, as a whole; if it is a test, it is run
    ```python FILE Name     what replaces the class, function or value of that name in it
    ```console              `$ command`, and below it what that prints

`pytest --rewrite` writes what the commands print into the guide.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from meta.source import ROOT
from quorate.cli import run

GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARIES = (
    (re.compile(r"\d+\.\d s\b"), "# s"),  # how long it took
    (re.compile(r"(\$ quorate simulate .*\n.*: \d+ seeds), .*"), r"\1"),  # what the seeds drew
    (re.compile(r"\bby \d+ seeds\b"), "by # seeds"),
    (re.compile(r"(^seed \d+ .*\n)+", re.MULTILINE), "seed # …\n"),
)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_every_block_of_a_guide_does_what_the_guide_says(
    guide: Path,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def follow(block: re.Match[str]) -> str:
        kind, words, text = block[1], block[2].split(), block[3]
        if kind == "python" and words:
            write(Path(words[0]), words[1:], text)
        elif kind == "console":
            commands = re.findall(r"^\$ quorate (.*)$", text, re.MULTILINE)
            assert len(commands) == text.count("$ ") > 0, text
            text = "\n".join(printed(command, capsys) for command in commands)
        else:
            pytest.fail(f"a block that nothing runs: ```{kind}{block[2]}")
        return f"```{kind}{block[2]}\n{text}```"

    before = guide.read_text()
    after = BLOCK.sub(follow, before)
    if request.config.getoption("--rewrite") and lasting(after) != lasting(before):
        guide.write_text(after)
    assert lasting(after) == lasting(guide.read_text()), "if that is meant: pytest --rewrite"


def lasting(text: str) -> str:
    """A guide without what may differ from one day to the next."""
    for pattern, instead in VARIES:
        text = pattern.sub(instead, text)
    return text


def write(path: Path, names: list[str], text: str) -> None:
    if names:
        lines = path.read_text().splitlines()
        (node,) = [node for node in ast.parse(path.read_text()).body if name_of(node) == names[0]]
        lines[node.lineno - 1 : node.end_lineno] = text.splitlines()
        text = "\n".join(lines) + "\n"
    path.write_text(text)
    if path.name.startswith("test_"):
        assert pytest.main(["-q", "-p", "no:cacheprovider", str(path)]) == 0
    forget(path.parent.resolve())


def name_of(node: ast.stmt) -> str:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return getattr(node, "name", "")


def forget(folder: Path) -> None:
    """Files of this folder are about to change: let them be imported anew."""
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "/").parent == folder:
            del sys.modules[name]


def printed(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    run(command.split())
    captured = capsys.readouterr()
    assert not captured.err, captured.err
    return f"$ quorate {command}\n{captured.out}"
