"""What is generated is up to date, and what is documented exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from meta.source import ROOT, script

MAKERS = script("docs").makers()


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_generated_page_is_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text() == MAKERS[name](), "make docs"


def test_no_page_is_left_of_a_protocol_that_is_gone() -> None:
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "protocols").iterdir()}
    assert there <= set(MAKERS)


def test_every_command_is_documented_with_help_for_each_option() -> None:
    commands = script("docs").commands()
    page = MAKERS["docs/reference/cli.md"]()
    assert commands
    for name, command in commands.items():
        assert f"## quorate {name}\n" in page
        assert command.help, name
        options = [p for p in command.params if p.param_type_name == "option"]
        silent = [option.name for option in options if not option.help]
        assert not silent, name


def pages_by_hand() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("*.md")) + sorted(
        str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")
    )


@pytest.mark.parametrize("name", pages_by_hand())
def test_every_relative_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("name", pages_by_hand())
def test_every_quorate_command_that_a_page_shows_exists(name: str) -> None:
    known = set(script("docs").commands()) | {"--version", "--help"}
    text = (ROOT / name).read_text()
    shown = re.findall(r"^(?:\$ )?(?:\.venv/bin/)?quorate ([a-z][a-z-]*)", text, re.MULTILINE)
    assert set(shown) <= known


def test_every_make_target_that_a_page_shows_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for name in pages_by_hand():
        shown = re.findall(r"`make ([a-z]+)`|^\$? ?make ([a-z]+)", (ROOT / name).read_text(), re.M)
        assert {a or b for a, b in shown} <= targets, name


def test_every_change_fragment_has_a_kind() -> None:
    kinds = {"added", "changed", "fixed", "removed"}
    fragments = [path for path in (ROOT / "changelog.d").iterdir() if path.name != "README.md"]
    assert fragments
    for path in fragments:
        assert path.suffixes[-2:] == [f".{path.suffixes[0][1:]}", ".md"]
        assert path.suffixes[0][1:] in kinds, path.name


def test_a_release_moves_the_fragments_into_the_changelog(tmp_path: Path) -> None:
    fragments = tmp_path / "changelog.d"
    fragments.mkdir()
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n\nWords.\n\n## 0.1\n\n- old\n")
    (fragments / "README.md").write_text("stays\n")
    (fragments / "b.fixed.md").write_text("A fault.\n")
    (fragments / "a.added.md").write_text("A thing.\n")
    script("changelog").release(tmp_path, "0.2")
    assert (tmp_path / "CHANGELOG.md").read_text() == (
        "# Changes\n\nWords.\n\n## 0.2\n\n### Added\n\n- A thing.\n\n### Fixed\n\n- A fault.\n"
        "\n## 0.1\n\n- old\n"
    )
    assert [path.name for path in fragments.iterdir()] == ["README.md"]
