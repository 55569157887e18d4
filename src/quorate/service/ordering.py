"""What the service needs of the protocol that orders its commands: all that differs between them.

A replica is a node with the protocol's actor, the state machine, and an Ordering, which gives the
protocol what clients ask for, and the machine what the protocol has put in order.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from quorate.kernel import Actor, Fact, Message, NodeId
from quorate.service import wire
from quorate.service.config import Config
from quorate.service.state import Machine

if TYPE_CHECKING:
    from quorate.runtime.node import Node


class Standing(msgspec.Struct, frozen=True):
    """How a replica stands, for people: what it is, who leads, in which ballot or view; how far the
    log is decided here, and from where on it is kept."""

    standing: str
    leader: NodeId
    ballot: str
    decided: int
    snapshot: int


class Asker(Protocol):
    """Whoever waits for an answer: a client's connection."""

    def send(self, message: Any) -> None:
        """Send a message, unless the client has gone."""


class Ordering(abc.ABC):
    """One replica's part in the order of commands. `applied` is how far its machine has come."""

    node: Node

    def __init__(self, config: Config, machine: Machine) -> None:
        self.config, self.machine = config, machine
        self.applied = 0

    @staticmethod
    @abc.abstractmethod
    def boot_image(config: Config) -> Actor:
        """The protocol's replica before its first step, with nothing on disk."""

    @abc.abstractmethod
    def take(self, asker: Asker, message: wire.Write | wire.Query, body: bytes) -> None:
        """A client at this replica wants this, which came as `body`."""

    @abc.abstractmethod
    def on_fact(self, role: NodeId, fact: Fact) -> None:
        """The protocol has stated a fact, which is safe."""

    @abc.abstractmethod
    def standing(self) -> Standing:
        """How the replica stands at present."""

    def submit(self, message: Message) -> None:
        """Tell the protocol's replica something, as its host."""
        self.node.submit(self.config.node, message)
