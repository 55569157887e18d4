"""The write-ahead log of one node: what its steps made durable, in order; one force for many steps.

A data directory holds `lock` and one segment (segment.py), `<number>.wal`. A rewrite makes a new
segment under another name, forces it, and renames it: the highest number counts, and the older
segment goes. The first record of a segment after a rewrite holds every durable field.

A failed write or force is final: the kernel may have dropped the pages and report the next force as
done (Rebello et al., Can Applications Recover from fsync Failures?, ATC 2020). The log then refuses
everything, and only a restart finds out what is really on disk.
"""

from __future__ import annotations

import mmap
import os
import secrets
import struct
from collections.abc import Callable
from pathlib import Path

from quorate.kernel import Actor, Effect, StorageError, UsageError, forces, roles_of
from quorate.runtime import segment
from quorate.runtime.disk import Disk, open_directory
from quorate.runtime.durable import Image, encode_image, encode_step

ALLOCATE_BYTES = 4 << 20
UNFORCED_BYTES_MAX = 1 << 20

_STEPS = struct.Struct(">BI")  # a body is a msgpack array of so many steps
_ARRAY_32 = 0xDD
_STEPS_AT = segment.BODY_AT + _STEPS.size
_SUFFIX = ".wal"


class NoWal:
    """In place of a log, for an actor that has nothing to keep. Raises UsageError for another."""

    def __init__(self, actor: Actor) -> None:
        durable = [field for role in roles_of(actor) for field in (*role.stable(), *role.lazy())]
        if durable:
            raise UsageError(f"node {actor.me} must keep something: give it a directory")
        self.actor, self.recovered, self.note, self.size_bytes = actor, False, "", 0

    def append(self, effects: tuple[Effect, ...]) -> bool:
        """There is nothing to note."""
        return False

    def sync(self) -> None:
        """There is nothing to force."""

    def rewrite(self, actor: Actor) -> None:
        """There is nothing to write."""

    def close(self) -> None:
        """There is nothing to let go of."""


class Wal:
    """Opens, or creates, the log in `directory`. `actor` is `boot` with what the log held.

    Raises UsageError when the directory is another node's, StorageError when it cannot be used.
    """

    def __init__(
        self, directory: Path, *, cluster: str, boot: Actor, disk: Disk | None = None
    ) -> None:
        self._directory = directory
        self._cluster = cluster
        self._node = boot.me
        self._disk = disk or Disk()
        self._failed: StorageError | None = None
        self._fd = self._lock = -1
        self._end = 0
        self._reset()
        self.note = ""  # what recovery cut off, if anything
        image = Image(boot)
        self._lock = open_directory(directory, self._disk)
        try:
            paths = self._segments()
            self.recovered = bool(paths)
            if paths:
                self._guarded(lambda: self._open(paths, image))
            else:
                self._guarded(lambda: self._create(1, b""))
            self.actor = image.restore()
        except BaseException:
            self.close()
            raise

    @property
    def size_bytes(self) -> int:
        """How much there is to read on recovery; `rewrite` makes it less."""
        return self._end

    def append(self, effects: tuple[Effect, ...]) -> bool:
        """Note what a step made durable; whether `sync` must be done before its effects leave.

        Unforced changes wait for the next force, or until there are many of them.
        """
        if not encode_step(self._node, effects, self._buffer):
            return False
        self._steps += 1
        return forces(effects) or len(self._buffer) > UNFORCED_BYTES_MAX

    def sync(self) -> None:
        """Make durable all that was noted. Raises StorageError, and then for ever after."""
        if self._failed is not None:
            raise self._failed
        if self._steps:
            record, steps = self._buffer, self._steps
            self._reset()
            self._guarded(lambda: self._write(record, steps))

    def rewrite(self, actor: Actor) -> None:
        """Start a new segment from `actor`, which has taken every step noted so far."""
        if self._failed is not None:
            raise self._failed
        self._reset()
        self._guarded(lambda: self._create(self._number + 1, encode_image(actor)))

    def close(self) -> None:
        """Let go of the directory. What was noted since the last `sync` is lost."""
        self._failed = self._failed or StorageError(f"the log in {self._directory} is closed")
        for fd in (self._fd, self._lock):
            if fd >= 0:
                os.close(fd)
        self._fd = self._lock = -1

    def _reset(self) -> None:
        self._buffer, self._steps = bytearray(_STEPS_AT), 0

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            self._failed = StorageError(
                f"the log in {self._directory} failed at offset {self._end}: {error.strerror}; "
                "this node has stopped, and may be started again once the disk is in order"
            )
            raise self._failed from error

    def _segments(self) -> list[Path]:
        return sorted(
            (path for path in self._directory.glob("*" + _SUFFIX) if path.stem.isdecimal()),
            key=lambda path: int(path.stem),
        )

    def _write(self, record: bytearray, steps: int) -> None:
        _STEPS.pack_into(record, segment.BODY_AT, _ARRAY_32, steps)
        segment.seal(self._salt, self._end, record)
        end = self._end + len(record)
        if end > self._allocated:
            length = max(ALLOCATE_BYTES, end - self._allocated)
            self._disk.allocate(self._fd, self._allocated, length)
            self._allocated += length
        self._write_all(record, self._end)
        self._disk.sync(self._fd)
        self._end = end

    def _write_all(self, data: bytes | bytearray, offset: int) -> None:
        with memoryview(data) as view:
            done = 0
            while done < len(data):
                done += self._disk.write(self._fd, view[done:], offset + done)

    def _create(self, number: int, image: bytes) -> None:
        """Switch to a new segment that holds `image`, or nothing if that is empty."""
        old, self._number = self._fd, number
        self._salt = secrets.token_bytes(16)
        head = segment.pack_header(
            segment.Header(segment.FORMAT, self._cluster, self._node, number, self._salt)
        )
        unnamed = self._directory / "new"
        path = self._directory / f"{number:012}{_SUFFIX}"
        self._fd = self._disk.create(unnamed)
        self._end = 0
        if old >= 0:
            os.close(old)
        self._write_all(head, 0)
        self._end = self._allocated = len(head)
        if image:
            record = bytearray(segment.BODY_AT) + image
            segment.seal(self._salt, self._end, record)
            self._write_all(record, self._end)
            self._end = self._allocated = self._end + len(record)
        self._disk.sync(self._fd)
        unnamed.rename(path)
        self._disk.sync_directory(self._directory)
        for other in self._segments():
            if other != path:
                other.unlink()

    def _open(self, paths: list[Path], image: Image) -> None:
        path = paths[-1]
        self._fd = self._disk.open(path)
        # Records may be in the page cache only; once acted upon they must not be lost.
        self._disk.sync(self._fd)
        with mmap.mmap(self._fd, 0, access=mmap.ACCESS_READ) as data:
            try:
                header, self._end = segment.read_header(data)
                self._refuse_foreign(header)
                for body, end in segment.records(data, header.salt, self._end):
                    image.apply(body)
                    self._end = end
                torn = segment.judge_tail(data, header.salt, self._end)
            except StorageError as error:
                raise StorageError(f"{path}, {error}") from error
            self._allocated = len(data)
        self._salt, self._number = header.salt, header.number
        if torn:
            lost = self._allocated - self._end
            self.note = f"{path}: cut a torn record at offset {self._end} ({lost} bytes)"
            self._disk.truncate(self._fd, self._end)
            self._disk.sync(self._fd)
            self._allocated = self._end
        for other in (*paths[:-1], self._directory / "new"):
            other.unlink(missing_ok=True)

    def _refuse_foreign(self, header: segment.Header) -> None:
        if (header.cluster, header.node) != (self._cluster, self._node):
            raise UsageError(
                f"{self._directory} belongs to node {header.node!r} of cluster {header.cluster!r}, "
                f"not to {self._node!r} of {self._cluster!r}; name the right directory"
            )
