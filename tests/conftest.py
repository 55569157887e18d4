"""Options and fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from quorate.protocols import names

# The same examples every time, and no limit on the time that one takes: a machine under load, or
# an unlucky draw, must not decide whether a change passes. `make nightly` draws anew, and more.
settings.register_profile("gate", deadline=None, derandomize=True)
settings.register_profile("nightly", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile("nightly" if "QUORATE_SEEDS" in os.environ else "gate")

SEEDS = int(os.environ.get("QUORATE_SEEDS", "0"))
TRACES = Path(__file__).parent / "traces"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="write golden files anew")


@pytest.fixture
def seeds() -> Callable[[int], int]:
    """How many seeds to run where so many are enough: `make nightly` runs many more."""
    return lambda enough: max(enough, SEEDS // len(names()))  # each protocol has its share


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares text with the file of that name in tests/traces, or writes it with --rewrite."""

    def compare(name: str, text: str) -> None:
        path = TRACES / name
        if request.config.getoption("--rewrite"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"{path} is missing; pytest --rewrite makes it"
        assert text == path.read_text(), f"{path} differs; if that is meant: pytest --rewrite"

    return compare
