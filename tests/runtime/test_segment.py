"""The layout of a segment: what is torn and what is damaged, wherever a record lies in a sector."""

from __future__ import annotations

import pytest

from quorate.kernel import StorageError
from quorate.runtime import segment
from quorate.runtime.segment import BODY_AT, SECTOR_BYTES

SALT = b"salt" * 4


def log(start: int, body: bytes) -> tuple[bytes, int]:
    """Two records of which the second one starts at offset `start`; and where it ends."""
    data = bytearray()
    for content in (bytes(start - BODY_AT - 1), body):
        record = bytearray(BODY_AT) + content
        segment.seal(SALT, len(data), record)
        data += record
    return bytes(data), len(data)


@pytest.mark.parametrize("start", range(SECTOR_BYTES - 12, SECTOR_BYTES + 2))
def test_a_last_record_that_rots_is_refused_wherever_it_starts(start: int) -> None:
    """The first bytes of a short record's length are zeros: at the end of a sector they would look
    like one that never arrived."""
    data, end = log(start, b"promised")
    for offset in range(start, end - 1):
        rotten = bytearray(data + bytes(SECTOR_BYTES))
        rotten[offset] ^= 0x80 if rotten[offset] != 0x80 else 0x40  # zeros may never have arrived
        whole = [after for _, after in segment.records(bytes(rotten), SALT, 0)]
        assert whole == [start]
        with pytest.raises(StorageError, match="damaged"):
            segment.judge_tail(bytes(rotten), SALT, start)


@pytest.mark.parametrize("start", range(SECTOR_BYTES - 12, SECTOR_BYTES + 2))
def test_a_last_record_without_one_of_its_sectors_is_torn_wherever_it_starts(start: int) -> None:
    data, end = log(start, b"promised" * 100)
    for sector in range(start - start % SECTOR_BYTES, end, SECTOR_BYTES):
        lost = range(max(sector, start), min(sector + SECTOR_BYTES, end))
        torn = bytearray(data + bytes(SECTOR_BYTES))
        torn[lost.start : lost.stop] = bytes(len(lost))
        if torn[start:end] != data[start:end]:  # and not zeros in place of zeros
            assert segment.judge_tail(bytes(torn), SALT, start)
