"""One file of the write-ahead log: its layout, and what to believe of one after a crash.

    magic 8 | length 4 | digest 16 | header, msgpack: format, cluster, node, number, salt
    length 4 | check 4 | digest 16 | body | mark 1        one record for each force
    zeros                                        allocated ahead

Integers are big-endian. `check` is a CRC-32 of the segment's salt and the record's offset and
length; `digest` is a BLAKE2b, keyed by the salt, of offset, length and body. So what was written to
another place, to an earlier segment or for another cluster is not taken for a record of this one.

A record is forced before the next is written: a crash leaves one record in doubt, the last. It is
torn, and may be cut off, if no record follows *and* part of it never arrived: it runs past the end
of the file, or its end mark is still zero, or the part of a 512-byte sector that it would fill is.
Any other damage is to something that was promised to be durable, and is refused: cutting there
could undo a promise (Alagappan et al., Protocol-Aware Recovery, FAST 2018, section 3). What cannot
be told apart is a forced last record with a sector of zeros in its own body, which then rots.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterator
from mmap import mmap

import msgspec

from quorate.kernel import NodeId, StorageError, UsageError

FORMAT = 1
MAGIC = b"QRTEWAL\n"
SECTOR_BYTES = 512
BODY_BYTES_MAX = (1 << 32) - 1

Data = mmap | bytes
"""A segment: a file, or in memory as the simulator has it."""

_PREFIX = struct.Struct(">8sI16s")  # magic, length of the header, digest of the header
_FIELDS = struct.Struct(">II")  # length of the body, check
_PLACE = struct.Struct(">QI")  # offset of the record, length of its body
_NOT_ZERO = re.compile(rb"[^\0]")

_DIGEST_BYTES = 16
_MARK = 0xA5  # not zero: where a write stopped early, allocated zeros stand in its place

BODY_AT = _FIELDS.size + _DIGEST_BYTES


class Header(msgspec.Struct, frozen=True):
    """Whose segment this is; `salt` is drawn anew for each."""

    format: int
    cluster: str
    node: NodeId
    number: int
    salt: bytes


def pack_header(header: Header) -> bytes:
    """The first bytes of a segment."""
    text = msgspec.msgpack.encode(header)
    return _PREFIX.pack(MAGIC, len(text), _digest(b"", 0, text)) + text


def read_header(data: Data) -> tuple[Header, int]:
    """The header of a segment, and the offset of its first record.

    Raises StorageError when it is damaged, UsageError when a newer version wrote it.
    """
    if len(data) < _PREFIX.size or data[: len(MAGIC)] != MAGIC:
        raise StorageError("offset 0: not a quorate log")
    _, length, digest = _PREFIX.unpack_from(data)
    start = _PREFIX.size + length
    text = data[_PREFIX.size : start]
    if len(text) < length or _digest(b"", 0, text) != digest:
        raise StorageError("offset 0: the header is damaged")
    header = msgspec.msgpack.decode(text, type=Header)
    if header.format > FORMAT:
        raise UsageError(f"log format {header.format}; this version reads up to {FORMAT}")
    return header, start


def seal(salt: bytes, offset: int, record: bytearray) -> None:
    """Make a record of `record`: BODY_AT bytes to be filled in, and then the body."""
    length = len(record) - BODY_AT
    if length > BODY_BYTES_MAX:
        raise StorageError(f"a record of {length} bytes is more than a log can hold")
    with memoryview(record) as view:
        digest = _digest(salt, offset, view[BODY_AT:])
    _FIELDS.pack_into(record, 0, length, _check(salt, offset, length))
    record[_FIELDS.size : BODY_AT] = digest
    record.append(_MARK)


def records(data: Data, salt: bytes, start: int) -> Iterator[tuple[bytes, int]]:
    """Each record from `start` up to the first that is not whole: its body, and where it ends."""
    offset = start
    while (body := _whole(data, salt, offset)) is not None:
        offset = _end(offset, len(body))
        yield body, offset


def judge_tail(data: Data, salt: bytes, offset: int) -> bool:
    """Whether a torn record lies at `offset`, where no whole one does; False at a clean end.

    Raises StorageError when it is neither, but damage to what had been durable.
    """
    size = len(data)
    if _zero(data, offset, size):
        return False
    length = _length(data, salt, offset)
    if length is not None:
        end, sure = _end(offset, length), offset + _FIELDS.size  # zeros of a length did arrive
        torn = end > size or (
            _zero(data, end, size) and (data[end - 1] == 0 or _zero_sector(data, sure, end))
        )
    else:
        # Then its first fields never arrived: alone, or with all that came after them.
        torn = _zero(data, offset + _FIELDS.size, size) or (
            _lost_sector(data, salt, offset) and not _any(data, salt, offset)
        )
    if torn:
        return True
    raise StorageError(
        f"offset {offset}: a record that was durable is damaged; restore this node from its peers "
        "(an empty directory and a new name), not by cutting the file"
    )


def _check(salt: bytes, offset: int, length: int) -> int:
    return zlib.crc32(_PLACE.pack(offset, length), zlib.crc32(salt))


def _digest(salt: bytes, offset: int, body: bytes | memoryview) -> bytes:
    digest = hashlib.blake2b(_PLACE.pack(offset, len(body)), digest_size=_DIGEST_BYTES, key=salt)
    digest.update(body)
    return digest.digest()


def _end(offset: int, length: int) -> int:
    return offset + BODY_AT + length + 1


def _length(data: Data, salt: bytes, offset: int) -> int | None:
    """The length of the body of the record at `offset`, if its first fields can be believed."""
    if offset + _FIELDS.size > len(data):
        return None
    length, check = _FIELDS.unpack_from(data, offset)
    return int(length) if check == _check(salt, offset, length) else None


def _whole(data: Data, salt: bytes, offset: int) -> bytes | None:
    length = _length(data, salt, offset)
    if length is None:
        return None
    body_at = offset + BODY_AT
    body = data[body_at : body_at + length]
    digest = data[offset + _FIELDS.size : body_at]
    return body if len(body) == length and digest == _digest(salt, offset, body) else None


def _any(data: Data, salt: bytes, after: int) -> bool:
    """Whether a whole record starts anywhere beyond `after`."""
    offset = after + 1
    while (found := _NOT_ZERO.search(data, offset)) is not None:
        offset = max(offset, found.start() - _FIELDS.size + 1)
        if _whole(data, salt, offset) is not None:
            return True
        offset += 1
    return False


def _zero(data: Data, start: int, end: int) -> bool:
    return _NOT_ZERO.search(data, start, end) is None


def _lost_sector(data: Data, salt: bytes, offset: int) -> bool:
    """Whether a sector with a part of the first fields, or of the digest, may never have arrived.

    A sector that ends within the length holds zeros anyway if the record is short: then it is lost
    only if another length fits what did arrive.
    """
    lead = min(SECTOR_BYTES - offset % SECTOR_BYTES, 4)
    if lead == 4:
        return _zero_sector(data, offset, offset + BODY_AT)
    if _zero(data, offset, offset + lead):
        length, check = _FIELDS.unpack_from(data, offset)
        step = 1 << 8 * (4 - lead)
        for longer in range(length % step, len(data) - offset, step):
            if check == _check(salt, offset, longer):
                return True
    return _zero_sector(data, offset + lead, offset + BODY_AT)


def _zero_sector(data: Data, start: int, end: int) -> bool:
    """Whether the part of some sector that the bytes from `start` to `end` touch, up to the
    sector's end, reads as zeros."""
    first = start - start % SECTOR_BYTES
    return any(
        _zero(data, max(start, sector), min(sector + SECTOR_BYTES, len(data)))
        for sector in range(first, end, SECTOR_BYTES)
    )
