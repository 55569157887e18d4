"""A cluster and its clients: `quorate up`, `serve`, `put`, `get`, `del`, `range`, `status`."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from quorate.cli import terminal
from quorate.kernel import UsageError
from quorate.runtime.loop import run
from quorate.service import config as configs
from quorate.service.blocking import BlockingClient
from quorate.service.client import (
    DefiniteFailure,
    IndefiniteFailure,
    Item,
    ServiceError,
    status,
)
from quorate.service.serve import LocalCluster, serve
from quorate.service.wire import Report

NOT_FOUND, FAILED, UNKNOWN = 1, 1, 2
app = typer.Typer()

Endpoints = Annotated[
    str,
    typer.Option(envvar="QUORATE_ENDPOINTS", metavar="HOST:PORT,…", help="Where the replicas are."),
]
TimeoutS = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to try for.")]
DEFAULT = "127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003"


@app.command("up")
def up_command(
    nodes: Annotated[int, typer.Option(min=1, max=9, help="How many replicas.")] = 3,
    dir: Annotated[Path, typer.Option(help="Where their data is, and stays.")] = Path(
        "quorate-data"
    ),
    port: Annotated[int, typer.Option(min=1, max=65_000, help="The first client port.")] = 7001,
) -> int:
    """Run a cluster on this machine, as real processes, until Ctrl-C. Run it again to resume."""
    asked = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: asked.set())
    with LocalCluster(dir, nodes, port) as cluster:
        endpoints = ",".join(cluster.endpoints)
        option = "" if endpoints == DEFAULT else f" --endpoints {endpoints}"
        command = "quorate" if shutil.which("quorate") else sys.argv[0]
        print(f"{nodes} replicas are up; their data and logs are in {dir}/")
        for node, process in cluster.processes.items():
            print(f"  {node}  {cluster.configs[0].clients()[node]}  pid {process.pid}")
        print("Try, in another terminal:")
        for words in ("put colour green", "get colour", "status"):
            print(f"  {command} {words}{option}")
        print("Ctrl-C stops it; the same command resumes it.", flush=True)
        reported: set[str] = set()
        while not asked.wait(0.2):
            for node in cluster.ended():
                if node not in reported:
                    reported.add(node)
                    print(f"replica {node} ended; see {dir}/{node}.log", file=sys.stderr)
    return 0


@app.command("serve")
def serve_command(
    config: Annotated[Path, typer.Option(metavar="FILE", help="The replica's TOML file.")],
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Record every step to this new file.")
    ] = None,
) -> int:
    """Run one replica until SIGTERM or Ctrl-C."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    loaded = configs.load(config)
    where = loaded.replicas[loaded.node].client
    run(serve(loaded, record, lambda: print(f"{loaded.node} serves {where}", flush=True)))
    return 0


@app.command("put")
def put_command(
    key: str, value: str, endpoints: Endpoints = DEFAULT, timeout: TimeoutS = 5.0
) -> int:
    """Bind a key to a value; prints the new revision."""
    return _ask(endpoints, timeout, lambda client: print(client.put(key, value)))


@app.command("get")
def get_command(
    key: str, endpoints: Endpoints = DEFAULT, timeout: TimeoutS = 5.0, json: terminal.Json = False
) -> int:
    """Print what a key is bound to; exit code 1 if it is not."""

    def get(client: BlockingClient) -> int:
        item = client.get(key)
        if item is None:
            print(f"quorate: there is no key {key!r}", file=sys.stderr)
            return NOT_FOUND
        if json:
            terminal.print_json(_plain(item))
        else:
            _raw(item.value)
        return 0

    return _ask(endpoints, timeout, get)


@app.command("del")
def del_command(key: str, endpoints: Endpoints = DEFAULT, timeout: TimeoutS = 5.0) -> int:
    """Remove a key; prints the new revision; exit code 1 if there was no such key."""

    def delete(client: BlockingClient) -> int:
        revision = client.delete(key)
        if not revision:
            print(f"quorate: there is no key {key!r}", file=sys.stderr)
            return NOT_FOUND
        print(revision)
        return 0

    return _ask(endpoints, timeout, delete)


@app.command("range")
def range_command(
    start: Annotated[str, typer.Argument(help="The first key.")] = "",
    end: Annotated[str, typer.Argument(help="The first key left out; none: to the last.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0: 10,000.")] = 0,
    endpoints: Endpoints = DEFAULT,
    timeout: TimeoutS = 5.0,
    json: terminal.Json = False,
) -> int:
    """Print keys and values in key order."""

    def show(client: BlockingClient) -> None:
        items = client.range(start, end, limit)
        if json:
            terminal.print_json([_plain(item) for item in items])
        else:
            for item in items:
                _raw(item.key + b"\t" + item.value)

    return _ask(endpoints, timeout, show)


@app.command("status")
def status_command(endpoints: Endpoints = DEFAULT, json: terminal.Json = False) -> int:
    """Show how each replica is; exit code 1 unless one of them leads."""
    reports = asyncio.run(_reports(endpoints.split(",")))
    found = [report for report in reports.values() if report is not None]
    if json:
        terminal.print_json(
            {
                endpoint: report and msgspec.structs.asdict(report)
                for endpoint, report in reports.items()
            }
        )
    else:
        headings = ("endpoint", "node", "is", "leader", "ballot", "applied", "revision", "keys")
        rows = [
            (e, r.node, r.standing, r.leader, r.ballot, *map(str, (r.applied, r.revision, r.keys)))
            if r is not None
            else (e, "–", "no answer", *[""] * 5)
            for e, r in reports.items()
        ]
        terminal.table(headings, rows)
    return 0 if any(report.standing == "leader" for report in found) else FAILED


async def _reports(endpoints: list[str]) -> dict[str, Report | None]:
    async def ask(endpoint: str) -> Report | None:
        try:
            return await status(endpoint)
        except DefiniteFailure:
            return None

    answers = await asyncio.gather(*map(ask, endpoints))
    return dict(zip(endpoints, answers, strict=True))


def _ask(endpoints: str, timeout_s: float, use: Callable[[BlockingClient], int | None]) -> int:
    """Use a client; say of a failure whether it is certain that nothing happened."""
    try:
        with BlockingClient(endpoints.split(","), timeout_s) as client:
            return use(client) or 0
    except IndefiniteFailure as error:
        print(f"quorate: {error}; it may have happened, or may yet", file=sys.stderr)
        return UNKNOWN
    except ServiceError as error:
        where = f"is a cluster up at {endpoints}?"
        print(f"quorate: {error}; nothing was done; {where}", file=sys.stderr)
        return FAILED
    except UnicodeError as error:
        raise UsageError(f"keys and values must be text: {error}") from error


def _plain(item: Item) -> dict[str, object]:
    key, value = item.key.decode(errors="replace"), item.value.decode(errors="replace")
    return item._asdict() | {"key": key, "value": value}


def _raw(data: bytes) -> None:
    sys.stdout.buffer.write(data + b"\n")
    sys.stdout.flush()
