"""The records of a run, with the step that sent what each step received."""

from __future__ import annotations

from typing import Any

from quorate.kernel import Crash, Effect, Message, NodeId, Receive, Record, core, digest


class Tape:
    """Records, in order, if it runs. `sender` is the index of the step that is sending."""

    def __init__(self, runs: bool) -> None:
        self.runs = runs
        self.records: list[Record] = []
        self.sender = 0
        # By identity, since several steps may send equal messages; the events are kept alive.
        self._sent: dict[int, tuple[Receive, int]] = {}

    def receive(self, src: NodeId, msg: Message) -> Receive:
        """The event of `msg`, which the sender's step lets out now."""
        event = Receive(src, msg)
        self._sent[id(event)] = event, self.sender
        return event

    def take(
        self, at_us: int, node: NodeId, event: Any, effects: tuple[Effect, ...], line: str
    ) -> None:
        """Keep one step, which sends from here on."""
        if not self.runs:
            return
        taken = event.during if isinstance(event, Crash) and event.during is not None else event
        _, cause = self._sent.get(id(core(taken)), (None, None))
        self.sender = len(self.records)
        self.records.append(Record(at_us, node, event, digest(effects), line, cause))
