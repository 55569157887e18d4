"""Benchmarks: `quorate bench service`, `simulate`, `check`, `cost`, `detectors`,
`timeouts`.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from quorate.cli import terminal
from quorate.cli.bench_check import check_command
from quorate.cli.bench_cost import cost_command
from quorate.cli.bench_detectors import detectors_command
from quorate.cli.bench_timeouts import timeouts_command
from quorate.kernel import UsageError
from quorate.runtime.loop import run
from quorate.service.bench import load
from quorate.service.serve import LocalCluster
from quorate.sim.bench import measure

app = typer.Typer()
bench = typer.Typer(help="Measure Quorate, and others beside it.", no_args_is_help=True)
app.add_typer(bench, name="bench")
PORT = 17_001
bench.command("check")(check_command)
bench.command("cost")(cost_command)
bench.command("detectors")(detectors_command)
bench.command("timeouts")(timeouts_command)


@bench.command("service")
def service_command(
    clients: Annotated[int, typer.Option(min=1, help="Callers, each waiting for answers.")] = 64,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long each load lasts.")] = 6.0,
    etcdload: Annotated[
        Path | None,
        typer.Option(metavar="PROGRAM", help="Also load a three-node etcd, with this program."),
    ] = None,
    json: terminal.Json = False,
) -> int:
    """Durable writes and linearizable reads on three local replicas, which force every write."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as scratch:
        with LocalCluster(Path(scratch) / "quorate", 3, PORT) as cluster:
            for operation in ("put", "get"):
                work = load(
                    cluster.endpoints, clients=clients, seconds=seconds, operation=operation
                )
                rows.append({"system": "quorate"} | msgspec.structs.asdict(run(work)))
        if etcdload is not None:
            rows += _etcd(Path(scratch) / "etcd", etcdload.resolve(), clients, seconds)
    data: dict[str, Any] = {"machine": terminal.machine(), "rows": rows}
    if etcdload is not None:
        data["ratio_to_etcd"] = {
            operation: _rate(rows, "quorate", operation) / _rate(rows, "etcd", operation)
            for operation in ("put", "get")
        }
    if json:
        terminal.print_json(data)
        return 0
    shown = ("per_second", "p50_ms", "p99_ms")
    cells = [
        (r["system"], r["operation"], str(r["clients"]), *(f"{r[name]:,.2f}" for name in shown))
        for r in rows
    ]
    terminal.table(("system", "operation", "clients", "per second", "p50 ms", "p99 ms"), cells)
    for operation, ratio in data.get("ratio_to_etcd", {}).items():
        print(f"{operation}: {ratio:.2f} times etcd")
    print(data["machine"])
    return 0


@bench.command("simulate")
def simulate_command(
    seconds: Annotated[float, typer.Option(min=0.5, help="How long each part lasts.")] = 5.0,
    simloop: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also load simloop, of which this is a checkout."),
    ] = None,
    simloop_python: Annotated[
        str, typer.Option(metavar="PYTHON", help="3.12 or newer, with pytest: simloop needs it.")
    ] = "python3",
    json: terminal.Json = False,
) -> int:
    """Deliveries and seeds a second of the simulator, on Multi-Paxos with five replicas."""
    script = Path("benchmarks/peers/simloop/load.py")
    if simloop is not None and not script.exists():
        raise UsageError(f"{script} is not here: run this in a checkout of Quorate")
    data = {"machine": terminal.machine()} | measure(seconds, simloop, simloop_python, script)
    if json:
        terminal.print_json(data)
        return 0
    cells = [("quorate", "deliveries, calm, busy", f"{data['deliveries_per_second']:,.0f}")]
    for weather, figures in data["seeds"].items():
        rate = figures["seeds_per_second"]
        cells.append(
            ("quorate", f"seeds of {data['seed_events']:,} events, {weather}", f"{rate:,.1f}")
        )
        if weather == "chaos":
            rate = figures["deliveries_per_second"]
            cells.append(("quorate", "deliveries, chaos", f"{rate:,.0f}"))
    cells.append(("SimPy", "events", f"{data['simpy_events_per_second']:,.0f}"))
    for weather in ("calm", "chaos") if simloop else ():
        rate = data["simloop"][weather]["deliveries_per_second"]
        cells.append(("simloop", f"deliveries, {weather}", f"{rate:,.0f}"))
    terminal.table(("system", "on one core", "per second"), cells)
    print(f"{data['cores']} cores: {data['scaling']:.2f} times as many seeds")
    for weather, ratio in data.get("ratio_to_simloop", {}).items():
        print(f"deliveries, {weather}: {ratio:.0f} times simloop")
    print(data["machine"])
    return 0


def _rate(rows: list[dict[str, Any]], system: str, operation: str) -> float:
    found = (r for r in rows if r["system"] == system and r["operation"] == operation)
    rate: float = next(found)["per_second"]
    return rate


def _etcd(directory: Path, program: Path, clients: int, seconds: float) -> list[dict[str, Any]]:
    """Three etcd processes with their defaults, and their own client's load, on the leader."""
    names = [f"e{i}" for i in (1, 2, 3)]
    peer = {name: f"http://127.0.0.1:{i}2380" for i, name in enumerate(names, 1)}
    client = {name: f"http://127.0.0.1:{i}2379" for i, name in enumerate(names, 1)}
    everyone = ",".join(f"{name}={url}" for name, url in peer.items())
    directory.mkdir()
    processes = []
    try:
        for name in names:
            flags = {
                "--name": name,
                "--data-dir": str(directory / name),
                "--listen-peer-urls": peer[name],
                "--initial-advertise-peer-urls": peer[name],
                "--listen-client-urls": client[name],
                "--advertise-client-urls": client[name],
                "--initial-cluster": everyone,
                "--log-level": "error",
            }
            command = ["etcd", *(word for pair in flags.items() for word in pair)]
            quiet = subprocess.DEVNULL
            processes.append(subprocess.Popen(command, stdout=quiet, stderr=quiet))
        time.sleep(5)
        endpoints = [url.removeprefix("http://") for url in client.values()]
        # etcd serves best when clients ask its leader: try each, and take its best figures.
        rows = []
        for operation in ("put", "get"):
            tried = [
                _etcd_load(program, endpoint, operation, clients, seconds / len(endpoints))
                for endpoint in endpoints
            ]
            best = max(tried, key=lambda row: float(row["per_second"]))
            rows.append(_etcd_load(program, best["endpoint"], operation, clients, seconds))
        return rows
    except FileNotFoundError as error:
        raise UsageError("etcd is not installed (Debian: etcd-server)") from error
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _etcd_load(
    program: Path, endpoint: str, operation: str, clients: int, seconds: float
) -> dict[str, Any]:
    command = [str(program), "-endpoints", endpoint, "-clients", str(clients), "-op", operation]
    ran = subprocess.run(
        [*command, "-secs", str(seconds)], capture_output=True, text=True, check=True
    )
    figures = dict(re.findall(r"(\S+?)=([\d.]+)", ran.stdout))
    return {
        "system": "etcd",
        "endpoint": endpoint,
        "operation": operation,
        "clients": clients,
        "connections": int(figures["conns"]),
        "value_bytes": 64,
        "seconds": seconds,
        "failed": int(figures["errs"]),
        "per_second": float(figures["s"]) if "s" in figures else float(figures["ops/s"]),
        "p50_ms": float(figures["p50"]),
        "p99_ms": float(figures["p99"]),
    }
