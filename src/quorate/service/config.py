"""What a replica needs to know before it starts: a TOML file.

node = "n1"
cluster = "orders"
protocol = "multi_paxos"           # what orders its commands
secret = "…"                       # at least 16 characters, the same on every replica
directory = "data/n1"              # relative to the file

[replicas.n1]
peer = "127.0.0.1:7101"            # for the other replicas
client = "127.0.0.1:7001"          # for clients
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from quorate.kernel import NodeId, UsageError

SECRET_MIN = 16
Address = tuple[str, int]


class Replica(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one replica listens, as host:port."""

    peer: str
    client: str


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One replica and the cluster it belongs to."""

    node: NodeId
    cluster: str
    secret: str
    directory: str
    replicas: dict[NodeId, Replica]
    protocol: Literal["multi_paxos"] = "multi_paxos"

    def clients(self) -> dict[NodeId, str]:
        """Where clients reach each replica."""
        return {node: replica.client for node, replica in sorted(self.replicas.items())}


def address(text: str) -> Address:
    """Host and port of "host:port". Raises UsageError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"{text!r} is not an address; write host:port, as in 127.0.0.1:7001")
    return host.strip("[]"), int(port)


def load(path: Path) -> Config:
    """The configuration in a file. Raises UsageError that names what is wrong and where."""
    try:
        raw = tomllib.loads(path.read_text())
        config = msgspec.convert(raw, Config)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{path}: {error}") from error
    if config.node not in config.replicas:
        raise UsageError(f"{path}: node {config.node!r} is not among the replicas")
    if len(config.secret) < SECRET_MIN:
        raise UsageError(f"{path}: the secret has fewer than {SECRET_MIN} characters")
    for replica in config.replicas.values():
        address(replica.peer)
        address(replica.client)
    directory = path.parent / config.directory
    return msgspec.structs.replace(config, directory=str(directory))


def dump(config: Config, path: Path) -> None:
    """Write a configuration, readable by its owner only, since it holds the secret."""
    lines = [
        f"{name} = {msgspec.json.encode(getattr(config, name)).decode()}"
        for name in ("node", "cluster", "protocol", "secret", "directory")
    ]
    for node, replica in sorted(config.replicas.items()):
        lines += ["", f"[replicas.{node}]", f'peer = "{replica.peer}"']
        lines += [f'client = "{replica.client}"']
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")
