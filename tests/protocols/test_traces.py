"""Golden traces: the run without failures of every protocol, as text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from quorate.protocols import find, names
from quorate.sim.quiet import quiet_run


@pytest.mark.parametrize("name", names())
def test_a_quiet_run_is_the_one_on_record(name: str, golden: Callable[[str, str], None]) -> None:
    _, trace = quiet_run(find(name))
    lines = [f"{number:04} {record.line}\n" for number, record in enumerate(trace.records, 1)]
    golden(f"{name}/quiet.txt", "".join(lines))
