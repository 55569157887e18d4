"""The kernel: actors, their events and effects, and what is promised of them."""

from quorate.kernel.actor import Actor, Context, Timed, plan_of
from quorate.kernel.authentic import Authenticated, Signed
from quorate.kernel.effects import (
    By,
    CancelTimer,
    Change,
    Choose,
    Effect,
    Ignore,
    Output,
    Persist,
    Send,
    SetTimer,
)
from quorate.kernel.errors import (
    BadMessage,
    ProtocolBug,
    QuorateError,
    StorageError,
    UsageError,
)
from quorate.kernel.events import (
    At,
    Choice,
    Crash,
    Event,
    For,
    Happening,
    Receive,
    Start,
    Stated,
    Timeout,
    core,
)
from quorate.kernel.process import (
    Process,
    address,
    forces,
    instance,
    messages_of,
    placed,
    roles_of,
    runner_of,
    unforced_after,
    until_send,
    unwrapped,
)
from quorate.kernel.property import (
    Kind,
    Observer,
    Property,
    View,
    Withheld,
    always,
    at_rest,
    eventually,
    sometimes,
)
from quorate.kernel.quorum import (
    Byzantine,
    Flexible,
    Grid,
    Majority,
    QuorumSystem,
    Threshold,
    Verdict,
    Weighted,
)
from quorate.kernel.trace import (
    Header,
    Note,
    Record,
    Trace,
    brief,
    digest,
)
from quorate.kernel.values import (
    Ballot,
    Delta,
    Fact,
    Lazy,
    Map,
    Message,
    NodeId,
    Request,
    Stable,
    decode_hook,
    encode_hook,
)
from quorate.kernel.world import Network, World, WorldMaker
