"""What a live node did, as a trace of the kernel's format, and the check that it can be repeated.

The header's settings hold the node's durable state at the start of the recording, so that a life
that began with recovery can be repeated from the same boot image, and the time, so that recordings
of several nodes can be put together.
"""

from __future__ import annotations

import base64
import logging
import time
from pathlib import Path

import msgspec

from quorate.kernel import (
    Actor,
    Crash,
    Effect,
    Event,
    Header,
    Record,
    Trace,
    UsageError,
    digest,
    encode_hook,
    messages_of,
    roles_of,
)
from quorate.kernel.trace import read
from quorate.runtime.durable import Image, encode_image

_log = logging.getLogger(__name__)

BUFFER_BYTES = 64 << 10
BUFFER_S = 0.25
_ENCODER = msgspec.json.Encoder(enc_hook=encode_hook, order="deterministic")


class Recorder:
    """Writes a trace as it happens: buffered, whole lines at a time, never forced."""

    def __init__(self, path: Path, actor: Actor) -> None:
        """`actor` is the node as its life begins. Raises UsageError when `path` exists."""
        header = Header(
            protocol=type(roles_of(actor)[0]).__module__.rpartition(".")[2],
            executor="runtime",
            settings={
                "node": actor.me,
                "durable": base64.b64encode(encode_image(actor)).decode(),
                "began_us": time.time_ns() // 1_000,
            },
        )
        try:
            self._file = path.open("xb", buffering=0)
        except OSError as error:
            raise UsageError(
                f"cannot record to {path}: {error.strerror}; name a new file for each run"
            ) from error
        self._node = actor.me
        self._ended = False
        self._began = self._written = time.monotonic()
        self._buffer = bytearray(_ENCODER.encode(header) + b"\n")

    def write(self, event: Event, effects: tuple[Effect, ...]) -> None:
        """Take down one step."""
        if self._ended:
            return
        now = time.monotonic()
        at_us = int((now - self._began) * 1_000_000)
        _ENCODER.encode_into(
            Record(at_us, self._node, event, digest(effects)), self._buffer, len(self._buffer)
        )
        self._buffer += b"\n"
        if len(self._buffer) > BUFFER_BYTES or now - self._written > BUFFER_S:
            self.flush()
            self._written = now

    def flush(self) -> None:
        """Hand what is buffered to the operating system; a recording that fails just ends."""
        try:
            self._file.write(self._buffer)
        except OSError as error:
            _log.warning("the recording of %s ends here: %s", self._node, error.strerror)
            self._ended = True
        self._buffer.clear()

    def close(self) -> None:
        """End the recording."""
        if not self._file.closed:
            self.flush()
            self._ended = True
            self._file.close()


class Verification(msgspec.Struct, frozen=True):
    """How a recording compares with its repetition; `differs_at` is the first step that does."""

    steps: int
    differs_at: int | None = None

    @property
    def holds(self) -> bool:
        """Whether every step did what was recorded."""
        return self.differs_at is None


def load(boot: Actor, path: Path) -> tuple[Actor, Trace]:
    """The node as it was when its recording began, and the recording; `boot` is its boot image.

    Raises UsageError when the file is no recording of this node.
    """
    trace = read(path, messages_of((boot,)))
    settings = trace.header.settings
    if settings.get("node") != boot.me or "durable" not in settings:
        raise UsageError(f"{path} is not a recording of node {boot.me!r}")
    image = Image(boot)
    image.apply(base64.b64decode(settings["durable"]))
    return image.restore(), trace


def verify(boot: Actor, path: Path) -> Verification:
    """Repeat a recording step by step. Raises UsageError when it is none of this node."""
    actor, trace = load(boot, path)
    for number, record in enumerate(trace.records):
        if isinstance(record.event, Crash):
            raise UsageError(f"{path} holds a crash, which a node cannot have recorded of itself")
        actor, effects = actor.step(record.event)
        if digest(effects) != record.digest:
            return Verification(len(trace.records), number)
    return Verification(len(trace.records))
