"""Every claim of the lecture holds, and its page says what its runs say today."""

from __future__ import annotations

import pytest

from meta.source import ROOT, script
from quorate.cli import run
from quorate.lecture import Finding, claims, find_claim, verdict_of
from quorate.protocols import names

docs = script("docs")


@pytest.mark.slow
@pytest.mark.parametrize("name", [claim.name for claim in claims()])
def test_a_claim_holds_and_its_page_is_up_to_date(name: str) -> None:
    page = docs.lecture_page(name)  # raises unless the claim holds
    assert (ROOT / "docs" / "lecture" / f"{name}.md").read_text() == page, "make docs"


def test_names_are_unique_and_every_protocol_that_is_named_exists() -> None:
    known = [claim.name for claim in claims()]
    assert len(set(known)) == len(known)
    assert {name for claim in claims() for name in claim.protocols} <= set(names())


def test_a_claim_fails_as_soon_as_one_finding_does_not_come_out_as_it_must() -> None:
    good = Finding(what="", expected="violated", found="violated")
    bad = Finding(what="", expected="violated", found="holds")
    assert verdict_of((good,)) == "holds"
    assert verdict_of((good, bad)) == "violated"


def test_an_unknown_claim_is_refused_with_the_names_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["lecture", "paxos-is-save"]) == 254
    assert "Did you mean paxos-is-safe" in capsys.readouterr().err


def test_the_list_follows_the_claims(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lecture", "--list"]) == 0
    out = capsys.readouterr().out
    places = [out.index(f"  {claim.name}") for claim in claims()]
    assert places == sorted(places)
    assert find_claim("paxos-is-safe").section in out
