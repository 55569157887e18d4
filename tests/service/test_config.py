"""A replica's configuration: what is wrong with it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.kernel import UsageError
from quorate.service.config import Config, Replica, address, dump, load

REPLICAS = {
    "n1": Replica("127.0.0.1:7101", "127.0.0.1:7001"),
    "n2": Replica("127.0.0.1:7102", "127.0.0.1:7002"),
}
GOOD = Config("n1", "test", 's"ecret-of-sixteen', "n1", REPLICAS)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "n1.toml"
    dump(GOOD, path)
    read = load(path)
    assert (read.node, read.secret, read.replicas) == (GOOD.node, GOOD.secret, GOOD.replicas)
    assert read.directory == str(tmp_path / "n1")
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('node = "n1"', 'node = "n9"', "node 'n9' is not among the replicas"),
        ('node = "n1"', "node = 7", "Expected `str`, got `int` - at `$.node`"),
        ('node = "n1"', "", "missing required field `node`"),
        ('node = "n1"', 'node = "n1"\nnoode = 1', "unknown field `noode`"),
        ("127.0.0.1:7101", "127.0.0.1", "'127.0.0.1' is not an address"),
        ("127.0.0.1:7101", "127.0.0.1:99999", "is not an address; write host:port"),
        ("ecret-of-sixteen", "hort", "fewer than 16 characters"),
        ("node =", "node ==", "Invalid value"),
    ],
)
def test_a_mistake_is_named_with_the_file(tmp_path: Path, old: str, new: str, problem: str) -> None:
    path = tmp_path / "n1.toml"
    dump(GOOD, path)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        load(path)
    assert problem in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*nothing.toml: No such file"):
        load(tmp_path / "nothing.toml")


def test_an_address_may_be_ipv6() -> None:
    assert address("[::1]:7001") == ("::1", 7001)
