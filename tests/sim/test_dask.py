"""Campaigns over a Dask cluster: a real scheduler and two workers, each a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quorate.kernel import UsageError
from quorate.sim import Task, campaign, executor_for, spreading

pytestmark = pytest.mark.slow

DEADLINE_S = 60
MUTANT = Task(protocol="paxos", mutant="quorum_too_small", fault_settings={"unsafe_ms": 2_000})


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler to which two workers are about to connect."""
    file = tmp_path_factory.mktemp("dask") / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli."]
    parts = [
        ("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
        *[("dask_worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard")] * 2,
    ]
    processes = [
        subprocess.Popen(
            [*dask[:2], dask[2] + part, *options, "--scheduler-file", str(file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=file.parent,
        )
        for part, *options in parts
    ]
    try:
        yield address_in(file)
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait()


def address_in(file: Path) -> str:
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if file.exists() and file.stat().st_size:
            address: str = msgspec.json.decode(file.read_bytes())["address"]
            return address
        time.sleep(0.1)
    raise TimeoutError("the scheduler did not start")


def outcome(result: Any) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.structs.asdict(result)
    del data["seconds"], data["cpu_seconds"]
    return data


@pytest.mark.slow
def test_a_cluster_finds_what_one_process_finds(scheduler: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while True:
        try:
            with executor_for(dask=scheduler) as cluster:
                there = campaign(MUTANT, first=0, count=60, executor=cluster)
            break
        except UsageError as error:  # no worker has come yet
            if "has no workers" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.2)
    here = campaign(MUTANT, first=0, count=60)
    assert outcome(there) == outcome(here)
    assert there.failures


def test_an_address_where_nobody_answers_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "CONNECT_S", 0.5)
    with (
        pytest.raises(UsageError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9:"),
        executor_for(dask="tcp://127.0.0.1:9"),
    ):
        pass
    with (
        pytest.raises(UsageError, match="no Dask scheduler answers at nowhere"),
        executor_for(dask="nowhere://at all"),
    ):
        pass


def test_without_dask_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'quorate\[dask\]'"), executor_for(dask="x"):
        pass
