"""The disk of a simulated node: what a crash leaves of its log, byte for byte, and what is read.

A log is written when its node crashes, in the format of the runtime (runtime/segment.py): one
record for each forced write. Then the faults have their way with its bytes, and the runtime's own
recovery reads them. It may cut off a torn record, which nobody had been told of; any other damage
it must notice, since a node that recovers to a wrong state lies without knowing.
Source: Alagappan et al., Protocol-Aware Recovery for Consensus-Based Storage, FAST 2018, section 2.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

from quorate.kernel import Actor, Effect, forces
from quorate.runtime import segment
from quorate.runtime.durable import Image, encode_image, encode_step
from quorate.sim.faults import Faults

AHEAD_BYTES = 4_096  # zeros allocated beyond the last record
_ARRAY_16 = 0xDC  # a body is a msgpack array of steps


class Disk:
    """Of one node: the image that its log starts from, and every step since that wrote to it."""

    def __init__(self, boot: Actor, faults: Faults, draw: random.Random) -> None:
        self._boot, self._faults, self._draw = boot, faults, draw
        self._image: Actor | None = None
        self._steps: list[tuple[bool, bytes]] = []

    def note(self, effects: tuple[Effect, ...]) -> None:
        """A step of the node, if it changed anything durable."""
        written = bytearray()
        if encode_step(self._boot.me, effects, written):
            self._steps.append((forces(effects), bytes(written)))

    def recover(self, undone: int, unforced: int, may_be_lost: bool) -> Actor:
        """What the node finds after a crash that undid its last `undone` forced writes, and kept
        `unforced` of the unforced ones that came after the forced write before those.

        Raises StorageError when the log cannot be trusted, which it never is if `may_be_lost` is
        false: then nothing befell it but what a crash alone can do.
        """
        ends = [index + 1 for index, (forced, _) in enumerate(self._steps) if forced]
        cut = ends[-undone] - 1 if undone else len(self._steps)
        last = max((end for end in ends if end <= cut), default=0)
        kept, rest = self._steps[: last + unforced], self._steps[last + unforced : cut + 1]
        log = _Log(self._boot, self._draw, self._image)
        for steps in _by_force(kept):
            log.append(steps)
        if undone and self._draw.random() < self._faults.torn:
            log.tear([body for _, body in rest])
        if may_be_lost and self._draw.random() < self._faults.misdirected:
            log.misdirect()
        if may_be_lost and self._draw.random() < self._faults.bit_rot:
            log.rot()
        actor = log.read(self._faults.checksums)
        self._image, self._steps = actor, []
        return actor


def _by_force(steps: list[tuple[bool, bytes]]) -> Iterator[list[bytes]]:
    """The steps of each record: up to a forced one, which forces those before it too."""
    record: list[bytes] = []
    for forced, body in steps:
        record.append(body)
        if forced:
            yield record
            record = []
    if record:
        yield record


class _Log:
    """One segment, in memory."""

    def __init__(self, boot: Actor, draw: random.Random, image: Actor | None) -> None:
        self._boot, self._draw = boot, draw
        self._salt = draw.randbytes(16)
        header = segment.Header(segment.FORMAT, "simulated", boot.me, 1, self._salt)
        self._data = bytearray(segment.pack_header(header))
        self._starts: list[int] = []
        self._torn = b""
        if image is not None:
            self._add(bytearray(segment.BODY_AT) + encode_image(image))

    def append(self, steps: list[bytes]) -> None:
        self._add(self._record(steps))

    def tear(self, steps: list[bytes]) -> None:
        """Write a part of one more record: up to some byte, or some of its sectors."""
        record = self._record(steps)
        segment.seal(self._salt, len(self._data), record)
        whole = bytes(record)
        if self._draw.random() < 0.5:
            stop = self._draw.randrange(len(record))
            record[stop:] = bytes(len(record) - stop)
        else:
            at, size = len(self._data), segment.SECTOR_BYTES
            first, end = at - at % size, at + len(record)
            lost = self._draw.choice(range(first, end, size))
            for sector in range(first, end, size):
                if sector == lost or self._draw.random() < 0.5:
                    start, stop = max(sector - at, 0), min(sector + size, end) - at
                    record[start:stop] = bytes(stop - start)
        # Where all that is missing is zeros, or the end mark, nothing is missing.
        self._torn = b"" if record[:-1] == whole[:-1] else bytes(record)

    def misdirect(self) -> None:
        """One record went to the place of an earlier one; at its own place there is nothing."""
        if len(self._starts) > 1:
            earlier, own = sorted(self._draw.sample(range(len(self._starts)), 2))
            start = self._starts[own]
            stop = (*self._starts, len(self._data))[own + 1]
            record, there = self._data[start:stop], self._starts[earlier]
            self._data[start:stop] = bytes(stop - start)
            self._data[there : there + len(record)] = record

    def rot(self) -> None:
        """One bit of the log is another than was written."""
        self._data[self._draw.randrange(len(self._data))] ^= 1 << self._draw.randrange(8)

    def read(self, checksums: bool) -> Actor:
        """What recovery makes of the log. Raises StorageError when that is nothing."""
        data = bytes(self._data + self._torn + bytes(AHEAD_BYTES))
        image = Image(self._boot)
        if not checksums:
            for body in self._unchecked(data):
                image.apply(body)
            return image.restore()
        header, end = segment.read_header(data)
        for body, after in segment.records(data, header.salt, end):
            image.apply(body)
            end = after
        segment.judge_tail(data, header.salt, end)
        return image.restore()

    def _unchecked(self, data: bytes) -> Iterator[bytes]:
        """Bodies as they stand at their places, whatever their digests say."""
        for start, stop in pairwise((*self._starts, len(self._data))):
            yield data[start + segment.BODY_AT : stop - 1]

    def _record(self, steps: list[bytes]) -> bytearray:
        count = bytes((_ARRAY_16,)) + len(steps).to_bytes(2, "big")
        return bytearray(segment.BODY_AT) + count + b"".join(steps)

    def _add(self, record: bytearray) -> None:
        segment.seal(self._salt, len(self._data), record)
        self._starts.append(len(self._data))
        self._data += record
