"""What the write-ahead log asks of the operating system; one place, so that tests can break it.

Linux only, as far as durability goes: `fdatasync` there also forces the file's size and extents.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from quorate.kernel import StorageError


class Disk:
    """Files of one data directory. Every method may raise OSError."""

    def create(self, path: Path) -> int:
        """A new file for reading and writing, ours alone; whatever had the name is emptied."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def open(self, path: Path) -> int:
        """An existing file for reading and writing."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def allocate(self, fd: int, offset: int, length: int) -> None:
        """Reserve zeros: a later write into them costs no change of size, nor runs out of space."""
        os.posix_fallocate(fd, offset, length)

    def write(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        """Write at `offset`; how many bytes were taken, which may be fewer than were given."""
        return os.pwrite(fd, data, offset)

    def truncate(self, fd: int, length: int) -> None:
        """Cut the file to `length`."""
        os.ftruncate(fd, length)

    def sync(self, fd: int) -> None:
        """Return once the file's content is durable."""
        os.fdatasync(fd)

    def sync_directory(self, path: Path) -> None:
        """Return once the names in a directory are durable."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def open_directory(path: Path, disk: Disk) -> int:
    """Make the data directory ours alone; the lock that says so is held until it is closed.

    Raises StorageError when another process, or another node of this one, has it.
    """
    try:
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=True)
            disk.sync_directory(path.parent)
        path.chmod(0o700)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(f"cannot use {path} as a data directory: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StorageError(
            f"{path} is in use by another node; stop that one, or give this one its own directory"
        ) from error
    return lock
