"""The write-ahead log: what was forced comes back, and damage to it is never passed over."""

from __future__ import annotations

import itertools
import re
import shutil
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.kernel import (
    Actor,
    Context,
    Map,
    Message,
    Persist,
    Receive,
    Stable,
    StorageError,
    Timeout,
    UsageError,
)
from quorate.runtime import Wal
from quorate.runtime.durable import Image, encode_step
from quorate.runtime.segment import SECTOR_BYTES
from runtime.parts import Box, Drop, FakeDisk, Glance, Put, after


def open_wal(directory: Path, disk: FakeDisk | None = None, node: str = "a") -> Wal:
    return Wal(directory, cluster="c", boot=Box(node), disk=disk or FakeDisk())


def fill(wal: Wal, *batches: list[Message]) -> tuple[list[Box], list[int]]:
    """Step through batches of messages, forcing after each; states and ends, before and after."""
    box = wal.actor
    assert isinstance(box, Box)
    states, ends = [box], [wal.size_bytes]
    for batch in batches:
        for message in batch:
            box, effects = box.step(Receive("user", message))
            wal.append(effects)
        wal.sync()
        states.append(box)
        ends.append(wal.size_bytes)
    return states, ends


def segment_of(directory: Path) -> Path:
    (path,) = directory.glob("*.wal")
    return path


def written(directory: Path, *batches: list[Message]) -> tuple[list[Box], list[int], bytes]:
    """As `fill`, on a new log; with the content of its file, and some of the zeros at its end."""
    wal = open_wal(directory)
    states, ends = fill(wal, *batches)
    wal.close()
    return states, ends, segment_of(directory).read_bytes()[: ends[-1] + 4096]


BATCHES: list[list[Message]] = [
    [Put(1, b"one"), Put(2, b"two")],
    [Glance(), Drop(1)],
    [Put(3, b"three" * 20)],
]
MESSAGES = st.one_of(
    st.builds(Put, st.integers(0, 5), st.binary(max_size=40)),
    st.builds(Drop, st.integers(0, 5)),
    st.just(Glance()),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(MESSAGES, max_size=4), max_size=6), st.data())
def test_every_prefix_recovers_the_batches_that_lie_in_it(
    batches: list[list[Message]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as root:
        directory = Path(root, "whole")
        states, ends, content = written(directory, *batches)
        cut = data.draw(st.integers(ends[0], ends[-1]))
        zeros = data.draw(st.sampled_from([0, 1, 4096]))
        segment_of(directory).write_bytes(content[:cut] + bytes(zeros))
        wal = open_wal(directory)
        kept = max(index for index, end in enumerate(ends) if end - 1 <= cut)
        assert wal.actor == states[kept]
        again, _ = fill(wal, [Put(9, b"more")])
        wal.close()
        assert open_wal(directory).actor == again[-1]


def test_every_single_prefix_of_a_small_log_recovers(tmp_path: Path) -> None:
    states, ends, content = written(tmp_path / "whole", *BATCHES)
    for cut in range(ends[0], ends[-1] + 1):
        directory = tmp_path / str(cut)
        shutil.copytree(tmp_path / "whole", directory)
        segment_of(directory).write_bytes(content[:cut])
        wal = open_wal(directory)
        kept = max(index for index, end in enumerate(ends) if end - 1 <= cut)
        assert wal.actor == states[kept]
        assert bool(wal.note) == any(content[ends[kept] : cut])
        wal.close()


@pytest.mark.parametrize("record", [0, 1, 2])
def test_a_flipped_bit_anywhere_in_a_forced_record_is_refused_with_its_offset(
    tmp_path: Path, record: int
) -> None:
    states, ends, content = written(tmp_path, *BATCHES)
    path = segment_of(tmp_path)
    for at in range(ends[record], ends[record + 1] - 1):  # without the end mark
        damaged = bytearray(content)
        damaged[at] ^= 1 << (at % 8)
        path.write_bytes(damaged)
        expected = f"{re.escape(str(path))}, offset {ends[record]}: .* damaged"
        with pytest.raises(StorageError, match=expected):
            open_wal(tmp_path)
    damaged = bytearray(content)
    damaged[ends[record + 1] - 1] ^= 1
    path.write_bytes(damaged)
    assert open_wal(tmp_path).actor == states[-1]


def test_a_flipped_bit_in_the_header_is_refused(tmp_path: Path) -> None:
    _, ends, content = written(tmp_path, *BATCHES)
    for at in range(ends[0]):
        damaged = bytearray(content)
        damaged[at] ^= 1 << (at % 8)
        segment_of(tmp_path).write_bytes(damaged)
        with pytest.raises(StorageError, match="offset 0"):
            open_wal(tmp_path)


LARGE = [Put(7, bytes(range(1, 256)) * 12)]


def sectors(start: int, end: int) -> list[tuple[int, int]]:
    edges = [start, *range(start - start % SECTOR_BYTES + SECTOR_BYTES, end, SECTOR_BYTES), end]
    return list(itertools.pairwise(edges))


def test_a_last_record_that_lost_any_sector_is_cut_with_a_note(tmp_path: Path) -> None:
    states, ends, content = written(tmp_path, *BATCHES, LARGE)
    lost = sectors(ends[-2], ends[-1])
    assert len(lost) > 5
    for start, end in lost:
        torn = content[:start] + bytes(end - start) + content[end:]
        segment_of(tmp_path).write_bytes(torn)
        wal = open_wal(tmp_path)
        assert wal.actor == states[-2]
        assert f"offset {ends[-2]}" in wal.note
        again, _ = fill(wal, [Put(8, b"after")])
        wal.close()
        reopened = open_wal(tmp_path)
        assert reopened.actor == again[-1]
        assert not reopened.note
        reopened.close()


def test_a_record_before_the_last_that_lost_a_sector_is_refused(tmp_path: Path) -> None:
    _, ends, content = written(tmp_path, *BATCHES, LARGE, [Put(8, b"later")])
    for start, end in sectors(ends[-3], ends[-2]):
        damaged = content[:start] + bytes(end - start) + content[end:]
        segment_of(tmp_path).write_bytes(damaged)
        with pytest.raises(StorageError, match=f"offset {ends[-3]}: .* damaged"):
            open_wal(tmp_path)


def test_a_record_in_the_place_of_another_is_refused(tmp_path: Path) -> None:
    _, ends, content = written(tmp_path, [Put(1, b"x")], [Put(2, b"y")], [Put(3, b"z")])
    second, third = content[ends[1] : ends[2]], content[ends[2] : ends[3]]
    assert len(second) == len(third)
    segment_of(tmp_path).write_bytes(content[: ends[1]] + third + third + content[ends[3] :])
    with pytest.raises(StorageError, match=f"offset {ends[1]}"):
        open_wal(tmp_path)


def test_a_record_of_an_earlier_segment_is_refused(tmp_path: Path) -> None:
    wal = open_wal(tmp_path)
    wal.rewrite(wal.actor)
    _, ends = fill(wal, [Put(1, b"x")])
    old = segment_of(tmp_path).read_bytes()[ends[0] : ends[1]]
    wal.rewrite(Box("a"))
    assert wal.size_bytes == ends[0]
    _, ends = fill(wal, [Put(1, b"y")])
    wal.close()
    path = segment_of(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: ends[0]] + old + content[ends[1] :])
    with pytest.raises(StorageError, match=f"offset {ends[0]}"):
        open_wal(tmp_path)


def test_a_rewritten_log_is_short_and_restores_everything(tmp_path: Path) -> None:
    wal = open_wal(tmp_path)
    states, ends = fill(wal, *([Put(n % 3, b"v" * 50)] for n in range(100)))
    wal.append(after(states[-1], Glance()).step(Receive("user", Glance()))[1])
    latest = after(states[-1], Put(1, b"not synced, but in the state"))
    wal.rewrite(latest)
    assert wal.size_bytes < ends[-1] / 10
    assert segment_of(tmp_path).name == "000000000002.wal"
    wal.close()
    wal = open_wal(tmp_path)
    assert wal.actor == latest
    changed, effects = wal.actor.step(Receive("user", Put(5, b"delta")))
    (persist,) = [effect for effect in effects if isinstance(effect, Persist)]
    assert "Delta" in repr(persist.changes[0])
    wal.append(effects)
    wal.sync()
    wal.close()
    assert open_wal(tmp_path).actor == changed


def test_a_crash_between_a_rewrite_and_its_clean_up_leaves_the_new_segment(tmp_path: Path) -> None:
    _, _, old = written(tmp_path, *BATCHES)
    wal = open_wal(tmp_path)
    states, _ = fill(wal, [Put(5, b"five")])
    wal.rewrite(states[-1])
    wal.close()
    (tmp_path / "000000000001.wal").write_bytes(old)
    (tmp_path / "new").write_bytes(b"half a rewr")
    assert open_wal(tmp_path).actor == states[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000000002.wal", "lock"]


def test_unforced_changes_ask_for_no_force_but_are_kept_in_order(tmp_path: Path) -> None:
    wal = open_wal(tmp_path)
    box, effects = wal.actor.step(Receive("user", Glance()))
    assert wal.append(effects) is False
    box, effects = box.step(Receive("user", Put(1, b"x")))
    assert wal.append(effects) is True
    wal.sync()
    wal.close()
    recovered = open_wal(tmp_path).actor
    assert recovered == box
    assert isinstance(recovered, Box)
    assert recovered.glances == 1


def test_a_directory_of_another_node_or_cluster_is_refused_by_name(tmp_path: Path) -> None:
    written(tmp_path, *BATCHES)
    with pytest.raises(UsageError, match="belongs to node 'a' of cluster 'c', not to 'b' of 'c'"):
        open_wal(tmp_path, node="b")
    with pytest.raises(UsageError, match="of cluster 'c', not to 'a' of 'other'"):
        Wal(tmp_path, cluster="other", boot=Box("a"))


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    first = open_wal(tmp_path)
    with pytest.raises(StorageError, match="in use by another node"):
        open_wal(tmp_path)
    first.close()
    assert open_wal(tmp_path).recovered


def test_files_and_directory_are_for_the_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "open"
    directory.mkdir(mode=0o755)
    written(directory, *BATCHES)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}


@pytest.mark.parametrize("fault", ["fail_sync", "fail_write", "fail_allocate"])
def test_a_log_that_failed_once_refuses_everything_and_keeps_what_was_forced(
    tmp_path: Path, fault: str
) -> None:
    disk = FakeDisk()
    wal = open_wal(tmp_path, disk)
    states, _ = fill(wal, *([] if fault == "fail_allocate" else BATCHES))
    setattr(disk, fault, True)
    box, effects = states[-1].step(Receive("user", Put(4, b"four")))
    wal.append(effects)
    with pytest.raises(StorageError, match="failed at offset"):
        wal.sync()
    setattr(disk, fault, False)
    with pytest.raises(StorageError, match="failed at offset"):
        wal.sync()
    with pytest.raises(StorageError, match="failed at offset"):
        wal.rewrite(box)
    wal.close()
    # Where only the force failed, the bytes may be there or not; here they are.
    assert open_wal(tmp_path).actor == (box if fault == "fail_sync" else states[-1])


def test_a_disk_that_takes_few_bytes_at_a_time_gets_them_all(tmp_path: Path) -> None:
    disk = FakeDisk()
    disk.short = 7
    wal = open_wal(tmp_path, disk)
    states, _ = fill(wal, *BATCHES)
    wal.close()
    assert open_wal(tmp_path).actor == states[-1]


def test_a_failed_rewrite_leaves_the_old_segment(tmp_path: Path) -> None:
    disk = FakeDisk()
    wal = open_wal(tmp_path, disk)
    states, _ = fill(wal, *BATCHES)
    disk.fail_sync = True
    with pytest.raises(StorageError):
        wal.rewrite(after(states[-1], Put(1, b"lost")))
    wal.close()
    assert open_wal(tmp_path).actor == states[-1]


def test_one_force_covers_all_steps_before_it(tmp_path: Path) -> None:
    disk = FakeDisk()
    wal = open_wal(tmp_path, disk)
    before = disk.syncs
    fill(wal, [Put(n, b"v") for n in range(50)])
    assert disk.syncs == before + 1
    wal.sync()
    assert disk.syncs == before + 1


class Stocked(Actor):
    """Begins with an entry, which a change leaves as it is."""

    held: Stable[Map[int, str]] = Map({0: "here from the start"})

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.held = self.held.put(1, "new")


def test_a_map_that_is_not_empty_at_first_keeps_what_it_began_with() -> None:
    boot, buffer = Stocked("n"), bytearray()
    after, effects = boot.step(Timeout("go"))
    assert encode_step("n", effects, buffer)
    image = Image(boot)
    image.apply(b"\x91" + bytes(buffer))  # an array of one step
    assert image.restore() == after
