"""Ports and clusters for tests."""

from __future__ import annotations

import itertools
import os
import socket

# Below the ports that the system hands out, and apart for each process that runs tests.
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_starts = itertools.cycle(range(20_000 + _worker * 3_000, 22_800 + _worker * 3_000, 7))


def free_port(count: int = 3) -> int:
    """A port such that it and its neighbours, and those 100 above, are free."""
    for port in _starts:
        if all(_is_free(port + i + offset) for i in range(count) for offset in (0, 100)):
            return port
    raise AssertionError("the ports go round for ever")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
