"""Frames: cut right wherever the stream is cut, refused before they are too long."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.kernel import BadMessage
from quorate.service import wire


@given(st.lists(st.binary(max_size=20), max_size=6), st.data())
def test_frames_come_out_as_they_went_in(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(len(body).to_bytes(wire.LENGTH, "big") + body for body in bodies)
    frames, found = wire.Frames(), []
    at = 0
    while at < len(stream):
        size = data.draw(st.integers(1, len(stream) - at))
        found += frames.feed(stream[at : at + size])
        at += size
    assert found == bodies


def test_a_frame_beyond_the_limit_is_refused_by_its_length_alone() -> None:
    with pytest.raises(BadMessage, match="a frame of 4294967295 bytes; at most 4194304"):
        wire.Frames().feed(b"\xff\xff\xff\xff")


@given(st.binary(max_size=200))
def test_no_bytes_make_the_decoder_raise_anything_else(body: bytes) -> None:
    decoder = msgspec.msgpack.Decoder(wire.FromClient)
    try:
        decoder.decode(body)
    except msgspec.DecodeError:
        return


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (wire.Put(b"", b""), "a key has 1 to 4096 bytes, not 0"),
        (wire.Delete(b"k" * 4097), "a key has 1 to 4096 bytes, not 4097"),
        (wire.Put(b"k", b"v" * 524_289), "a value has at most 524288 bytes, not 524289"),
        (wire.Put(b"k", b"v"), ""),
        (wire.OpenSession(), ""),
    ],
)
def test_what_is_wrong_with_a_command_is_named(command: wire.Command, problem: str) -> None:
    assert wire.problem_of(command) == problem
