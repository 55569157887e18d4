"""Three replicas as real processes: they lose nothing that they acknowledged."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from quorate.cli import run as quorate
from quorate.kernel import UsageError
from quorate.runtime.recording import verify
from quorate.service import config as configs
from quorate.service import wire
from quorate.service.blocking import BlockingClient
from quorate.service.client import (
    Client,
    DefiniteFailure,
    ServiceError,
    status,
)
from quorate.service.serve import LocalCluster
from quorate.service.server import boot_image
from service.cluster import free_port
from traces.test_export import check_clocks, shiviz_log

KILLS = 20
pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path / "data", 3, free_port()) as running:
        yield running


def leader_of(cluster: LocalCluster) -> str:
    for endpoint in cluster.endpoints:
        try:
            report = asyncio.run(status(endpoint))
        except DefiniteFailure:
            continue
        if report.standing == "leader":
            return report.node
    raise AssertionError("nobody leads")


def test_what_is_put_can_be_got_ranged_compared_and_deleted(cluster: LocalCluster) -> None:
    with BlockingClient(cluster.endpoints) as client:
        assert client.put("k", "v") == 1
        item = client.get("k")
        assert item is not None
        assert (item.value, item.created, item.modified, item.version) == (b"v", 1, 1, 1)
        assert client.compare_and_set("k", "other", "w") == 0
        assert client.compare_and_set("k", "v", "w") == 2
        assert client.put("l", b"\x00\xff") == 3
        assert [(i.key, i.value) for i in client.range("k", "m")] == [
            (b"k", b"w"),
            (b"l", b"\x00\xff"),
        ]
        assert client.delete("k") == 4
        assert client.delete("k") == 0
        assert client.get("k") is None


def test_many_callers_share_one_client(cluster: LocalCluster) -> None:
    async def work() -> list[int]:
        async with Client(cluster.endpoints) as client:
            return list(await asyncio.gather(*(client.put(f"k{i}", "v") for i in range(2000))))

    assert sorted(asyncio.run(work())) == list(range(1, 2001))


def test_kills_at_random_moments_lose_no_acknowledged_write(cluster: LocalCluster) -> None:
    """Twenty times a replica, the leader or all of them die under a concurrent writer."""
    draw = random.Random(7)
    acknowledged: dict[str, int] = {}
    attempted = [0]
    done = threading.Event()

    def write() -> None:
        with BlockingClient(cluster.endpoints, timeout_s=30) as client:
            while not done.is_set():
                number = attempted[0] = attempted[0] + 1
                try:
                    client.put(f"key-{number % 50}", str(number))
                except ServiceError:
                    continue
                acknowledged[f"key-{number % 50}"] = number

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for round in range(KILLS):
            before = len(acknowledged), attempted[0]
            done.wait(draw.uniform(0.05, 0.4))
            nodes = sorted(cluster.processes)
            victims = nodes if round % 5 == 4 else [draw.choice([leader_of(cluster), *nodes])]
            for node in victims:
                cluster.kill(node)
            cluster.start()
            while (len(acknowledged), attempted[0]) <= before:
                assert writer.is_alive()
                done.wait(0.01)
    finally:
        done.set()
        writer.join()
    assert acknowledged
    with BlockingClient(cluster.endpoints) as client:
        for key, number in acknowledged.items():
            item = client.get(key)
            assert item is not None
            # A later write that got no answer may have overwritten it; nothing earlier may stand.
            assert int(item.value) >= number


def test_the_cluster_goes_on_without_its_leader(cluster: LocalCluster) -> None:
    with BlockingClient(cluster.endpoints) as client:
        assert client.put("k", "1") == 1
        old = leader_of(cluster)
        cluster.kill(old)
        assert client.put("k", "2") == 2
        item = client.get("k")
    assert item is not None
    assert item.value == b"2"
    assert leader_of(cluster) != old


def test_everything_is_there_after_all_were_killed_and_started_again(
    cluster: LocalCluster,
) -> None:
    with BlockingClient(cluster.endpoints) as client:
        for number in range(100):
            client.put(f"k{number:02}", str(number))
    for node in sorted(cluster.processes):
        cluster.kill(node)
    cluster.start()
    with BlockingClient(cluster.endpoints) as client:
        assert [int(item.value) for item in client.range("k")] == list(range(100))


def test_without_a_majority_a_write_fails_and_says_whether_it_may_have_happened(
    cluster: LocalCluster,
) -> None:
    with BlockingClient(cluster.endpoints, timeout_s=1.0) as client:
        client.put("k", "1")
        for node in sorted(cluster.processes)[:2]:
            cluster.kill(node)
        with pytest.raises(ServiceError):
            client.put("k", "2")
    with (
        BlockingClient([f"127.0.0.1:{free_port()}"], timeout_s=0.3) as client,
        pytest.raises(DefiniteFailure),
    ):
        client.put("k", "3")


def test_a_value_that_is_too_long_is_refused_before_it_is_sent(cluster: LocalCluster) -> None:
    with (
        BlockingClient(cluster.endpoints) as client,
        pytest.raises(DefiniteFailure, match="at most 524288 bytes"),
    ):
        client.put("k", b"x" * (wire.VALUE_BYTES_MAX + 1))


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\0\0\0\x04abcd"])
def test_garbage_on_either_port_ends_its_connection_and_nothing_else(
    cluster: LocalCluster, garbage: bytes
) -> None:
    replica = cluster.configs[0].replicas["n1"]
    for text in (replica.client, replica.peer):
        with socket.create_connection(configs.address(text), timeout=20) as link:
            link.sendall(garbage)
            link.shutdown(socket.SHUT_WR)
            while link.recv(4096):
                pass
    with BlockingClient(cluster.endpoints) as client:
        assert client.put("k", "v") == 1


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    port = free_port()
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        with pytest.raises(UsageError, match=f"port {port} is in use"):
            LocalCluster(tmp_path / "data", 3, port).__enter__()


def test_a_directory_of_another_size_of_cluster_is_refused(tmp_path: Path) -> None:
    port = free_port()
    LocalCluster(tmp_path, 3, port)
    with pytest.raises(UsageError, match="holds a cluster of 3 nodes"):
        LocalCluster(tmp_path, 5, port)


def test_replicas_stop_when_asked_and_keep_everything(tmp_path: Path) -> None:
    port = free_port()
    with LocalCluster(tmp_path, 3, port) as cluster:
        with BlockingClient(cluster.endpoints) as client:
            client.put("k", "v")
        processes = list(cluster.processes.values())
        cluster.stop()
        assert [process.returncode for process in processes] == [0, 0, 0]
    with LocalCluster(tmp_path, 3, port) as cluster, BlockingClient(cluster.endpoints) as client:
        item = client.get("k")
    assert item is not None
    assert item.value == b"v"


def test_what_live_replicas_recorded_comes_out_the_same_through_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LocalCluster(tmp_path, 3, free_port(), record=True) as cluster:
        with BlockingClient(cluster.endpoints) as client:
            for number in range(50):
                client.put(f"k{number}", "v")
                client.get(f"k{number}")
        cluster.stop()
    for config in cluster.configs:
        verification = verify(boot_image(config), tmp_path / f"{config.node}.trace")
        assert verification.holds
        assert verification.steps > 50
    recordings = [str(tmp_path / f"{config.node}.trace") for config in cluster.configs]
    capsys.readouterr()
    assert quorate(["replay", *recordings, "--trace", str(tmp_path / "run.shiviz")]) == 0
    out = capsys.readouterr().out
    assert re.search(r"All \d+ steps come out as recorded", out)
    assert "─ Accepted ─" in out
    check_clocks(shiviz_log((tmp_path / "run.shiviz").read_text()))
    lines = Path(recordings[0]).read_text().splitlines()
    lines[5] = re.sub(r'"digest":"[0-9a-f]*"', '"digest":"00"', lines[5])
    Path(recordings[0]).write_text("\n".join(lines) + "\n")
    assert quorate(["replay", *recordings]) == 2
    out = capsys.readouterr().out
    assert "differently at" in out
    assert "n1.trace, step 5" in " ".join(out.split())


def test_a_replica_with_another_secret_is_kept_out(tmp_path: Path) -> None:
    cluster = LocalCluster(tmp_path, 3, free_port())
    stranger = msgspec.structs.replace(cluster.configs[0], secret="x" * 32, directory="n1")
    configs.dump(stranger, cluster.paths[0])
    with cluster, BlockingClient(cluster.endpoints) as client:
        assert client.put("k", "v") == 1
        report = asyncio.run(status(cluster.endpoints[0]))
        assert (report.standing == "leader", report.applied) == (False, 0)


def test_a_data_directory_of_another_cluster_is_refused(tmp_path: Path) -> None:
    with LocalCluster(tmp_path / "a", 3, free_port()):
        pass
    other = LocalCluster(tmp_path / "b", 3, free_port())
    (tmp_path / "a" / "n1").rename(tmp_path / "b" / "n1")
    with pytest.raises(UsageError, match=r"replica n1 did not start: .*cluster"):
        other.start()
    other.stop()
