"""Ports and clusters for tests."""

from __future__ import annotations

import socket


def free_port(count: int = 3) -> int:
    """A port such that it and its neighbours, and those 100 above, are free."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port + 100 + count < 65_536 and all(
            _is_free(port + i + offset) for i in range(count) for offset in (0, 100)
        ):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
