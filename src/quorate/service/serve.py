"""Running a replica as a process, and several on one machine as a cluster."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self

from quorate.kernel import UsageError
from quorate.service import config as configs
from quorate.service.client import DefiniteFailure, status
from quorate.service.config import Config, Replica
from quorate.service.server import Server

HOST = "127.0.0.1"
READY_S = 30.0


async def serve(
    config: Config, record: Path | None = None, ready: Callable[[], None] | None = None
) -> None:
    """Run one replica until SIGTERM or SIGINT. Raises what stopped it otherwise."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def stopped(error: BaseException | None) -> None:
        if not ended.done():
            if error is None:
                ended.set_result(None)
            else:
                ended.set_exception(error)

    server = Server(config, stopped, record)
    await server.start()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped, None)
    if ready is not None:
        ready()
    try:
        await ended
    finally:
        await server.stop()


def prepare(directory: Path, nodes: int, port: int) -> list[Path]:
    """The configuration files of a local cluster, made unless they are there.

    Clients use ports `port`, `port` + 1, …; replicas among themselves those 100 above.
    Raises UsageError if the directory holds a cluster of another size.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    present = sorted(directory.glob("n*.toml"))
    if present:
        if len(present) != nodes:
            raise UsageError(
                f"{directory} holds a cluster of {len(present)} nodes; start it with "
                f"--nodes {len(present)}, or name another --dir"
            )
        return present
    names = [f"n{i}" for i in range(1, nodes + 1)]
    replicas = {
        name: Replica(f"{HOST}:{port + 100 + i}", f"{HOST}:{port + i}")
        for i, name in enumerate(names)
    }
    cluster, secret = f"local-{secrets.token_hex(4)}", secrets.token_urlsafe(32)
    paths = []
    for name in names:
        paths.append(directory / f"{name}.toml")
        configs.dump(Config(name, cluster, secret, name, replicas), paths[-1])
    return paths


class LocalCluster:
    """Replicas as processes of this machine. Use as a context manager, or start and stop."""

    def __init__(
        self, directory: Path, nodes: int = 3, port: int = 7001, record: bool = False
    ) -> None:
        self.directory = directory
        self.record = record  # the first life of each replica, to NODE.trace in the directory
        self.paths = prepare(directory, nodes, port)
        self.configs = [configs.load(path) for path in self.paths]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def endpoints(self) -> list[str]:
        """Where clients connect."""
        return list(self.configs[0].clients().values())

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start every replica that is not running, and wait until one of them leads."""
        for config, path in zip(self.configs, self.paths, strict=True):
            if config.node not in self.processes:
                self._spawn(config, path)
        asyncio.run(self._await_leader())

    def _spawn(self, config: Config, path: Path) -> None:
        replica = config.replicas[config.node]
        for text in (replica.peer, replica.client):
            _refuse_taken(*configs.address(text))
        log = (self.directory / f"{config.node}.log").open("ab")
        command = [sys.executable, "-m", "quorate", "serve", "--config", str(path)]
        recording = self.directory / f"{config.node}.trace"
        if self.record and not recording.exists():
            command += ["--record", str(recording)]
        # A process group of its own: Ctrl-C is for `up`, which then stops its replicas in order.
        self.processes[config.node] = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True
        )
        log.close()

    async def _await_leader(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + READY_S
        while loop.time() < end:
            self._refuse_dead()
            for endpoint in self.endpoints:
                with contextlib.suppress(DefiniteFailure):
                    if (await status(endpoint)).standing == "leader":
                        return
            await asyncio.sleep(0.05)
        raise UsageError(f"no leader after {READY_S:.0f} s; see the logs in {self.directory}")

    def _refuse_dead(self) -> None:
        for node, process in self.processes.items():
            if process.poll() is not None:
                log = self.directory / f"{node}.log"
                why = " ".join(log.read_text(errors="replace").rpartition("quorate: ")[2].split())
                raise UsageError(f"replica {node} did not start: {why} (see {log})")

    def ended(self) -> list[str]:
        """Replicas whose process is no more."""
        return [node for node, process in self.processes.items() if process.poll() is not None]

    def kill(self, node: str) -> None:
        """Kill a replica's process at once, as kill -9 does."""
        process = self.processes.pop(node)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """Ask every replica to stop, and see to it that it does."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()


def _refuse_taken(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(f"port {port} is in use: choose another with --port") from error
