"""Real time: one node's actor on sockets and a disk."""

from quorate.runtime.disk import Disk
from quorate.runtime.link import Cluster
from quorate.runtime.loop import run
from quorate.runtime.node import Node
from quorate.runtime.recording import Verification, verify
from quorate.runtime.seals import Seals
from quorate.runtime.transport import Address, Limits, Transport
from quorate.runtime.wal import Wal
