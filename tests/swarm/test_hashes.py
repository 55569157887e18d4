"""The same seed is the same run: in every process, under every hash seed, in every Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from swarm import hashes

SCRIPT = Path(hashes.__file__)
PACKAGES = SCRIPT.parents[2] / "src"
FEW, MANY = 40, 1_000


def printed(python: str, count: int, hash_seed: str) -> list[str]:
    """The hashes of the first seeds, from a process of its own."""
    ran = subprocess.run(
        [python, str(SCRIPT), "0", str(count)],
        env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(PACKAGES)},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.split()


def in_two_processes(count: int) -> list[str]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return list(pool.map(hashes.trace_hash, range(count), chunksize=5))


def other_pythons() -> list[str]:
    """Interpreters of other versions that have what Quorate needs: those of QUORATE_PYTHONS, whose
    parts are separated as in PATH, and every python3.N on the PATH.
    """
    named = [path for path in os.environ.get("QUORATE_PYTHONS", "").split(os.pathsep) if path]
    found = named + [path for n in range(11, 30) if (path := shutil.which(f"python3.{n}"))]
    others: dict[str, str] = {}
    for python in found:
        ran = subprocess.run(
            [python, "-c", "import quorate.sim, sys; print(*sys.version_info[:2])"],
            env=os.environ | {"PYTHONPATH": str(PACKAGES)},
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0 or python not in named, f"{python} lacks Quorate's needs"
        if ran.returncode == 0 and ran.stdout.split() != [str(n) for n in sys.version_info[:2]]:
            others.setdefault(ran.stdout, python)
    return list(others.values())


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_traces_are_the_same_in_all_processes_hash_seeds_and_pythons(count: int) -> None:
    expected = [hashes.trace_hash(seed) for seed in range(count)]
    assert len(set(expected)) > count * 9 // 10  # two short runs may be alike
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in expected)
    assert in_two_processes(count) == expected
    for hash_seed in ("1", "2"):
        assert printed(sys.executable, count, hash_seed) == expected
    for python in other_pythons():
        assert printed(python, count, "3") == expected, python
