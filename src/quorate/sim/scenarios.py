"""The scenarios that come with Quorate, each made for whichever protocol it is asked of."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from quorate.kernel import NodeId, UsageError, World
from quorate.properties.bank import balance
from quorate.protocols.bank import CashMachine
from quorate.protocols.two_generals import General
from quorate.sim.generals import Pattern, chain, groups, patterns
from quorate.sim.judge import NO_DEADLOCK
from quorate.sim.scenario import RECEIVER, SENDER, Act, Deed, Scenario

LEADER: dict[str, tuple[str, str]] = {
    "chandra_toueg": ("Estimate", RECEIVER),
    "multi_paxos": ("Heartbeat", SENDER),
    "paxos": ("Promise", RECEIVER),
    "paxos_commit": ("Accepted", RECEIVER),
    "two_phase_commit": ("Prepared", RECEIVER),
}
"""By which message, and which end of it, a protocol's leader or coordinator can be told."""

NEXT = {
    "chandra_toueg": "Only once it is suspected do the others turn to the next coordinator.",
    "multi_paxos": "The others hear no heartbeat. One of them asks for promises, and leads.",
    "paxos": "Its round stays open. Another proposer starts one of its own, and ends it.",
    "paxos_commit": "Another leader takes over, with a higher ballot.",
    "two_phase_commit": "Who is prepared may neither commit nor abort: it is blocked, and asks.",
}

DUELS = 6
ROUNDS_MAX = 6
CHAIN_ROUNDS = 3


class Builtin(msgspec.Struct, frozen=True):
    """A scenario by name: what it shows, of which protocols (none named: of any), and how. It may
    delay messages without bound, and is then not for those that rely on a bound."""

    name: str
    shows: str
    protocols: tuple[str, ...]
    make: Callable[[str, World], Scenario]
    delays: bool = False


def _partition(protocol: str, world: World) -> Scenario:
    names = [process.me for process in world.processes]
    few: tuple[NodeId, ...] = tuple(names[::3])  # of each role, less than a half
    acts = (
        Act(
            do=Deed.PARTITION,
            at_ms=1,
            sides=(few, ("rest",)),
            says="The network falls apart; a node beyond reach looks like a slow one.",
        ),
        Act(do=Deed.SAY, at_ms=2_000, says="Whoever needs someone beyond reach is waiting."),
        Act(do=Deed.MEND, at_ms=3_000, says="The network is whole again, and all catch up."),
    )
    return _scenario("partition-and-heal", {"unsafe_ms": 4_000}, acts)


def _leader_crash(protocol: str, world: World) -> Scenario:
    message, end = LEADER[protocol]
    acts = (
        Act(
            do=Deed.CRASH,
            at_ms=1,
            once=message,
            nodes=(end,),
            says="{nodes} leads, and now it crashes.",
        ),
        Act(do=Deed.SAY, at_ms=100, says=NEXT[protocol]),
        Act(do=Deed.SAY, at_ms=4_000, says="It comes back, with what its disk holds."),
    )
    settings = {"unsafe_ms": 4_000, "down_ms": "3600000,3600000"}
    return _scenario("leader-crash", settings, acts)


def _duel(protocol: str, world: World) -> Scenario:
    acts = [Act(do=Deed.PAUSE, nodes=("p2",), says="p1 and p2 both lead. p2 is held up.")]
    for turn in range(DUELS):
        held, free = ("p1", "p2") if turn % 2 == 0 else ("p2", "p1")
        acts += [
            Act(
                do=Deed.PAUSE,
                at_ms=100,  # the first ballots are over: p1's was the lower, and p2 is held up
                once="Promise",
                nodes=(held,),
                says=f"{held} is promised a ballot; before it uses it, {free} asks for a higher.",
            ),
            Act(do=Deed.RESUME, nodes=(free,)),
        ]
    last = "p2" if DUELS % 2 else "p1"
    acts += [
        Act(
            do=Deed.SAY, says=f"Nobody has failed, and nothing is decided. Now {last} has its way."
        ),
    ]
    settings = {"unsafe_ms": 10_000, "delay_us": "9000,11000"}
    return _scenario("duelling-leaders", settings, tuple(acts))


def _deadlock(protocol: str, world: World) -> Scenario:
    settings = {"topology": "ring", "link_buffer": 1, "link_full": "block", "unsafe_ms": 10_000}
    scenario = _scenario("topology-deadlock", settings, (), NO_DEADLOCK)
    return msgspec.structs.replace(scenario, instead={"link_full": "drop"})


def _two_generals(protocol: str, world: World) -> Scenario:
    general = world.processes[0]
    assert isinstance(general, General)
    waits = max(general.letters - 2, 1)
    acts = [
        Act(do=Deed.SAY, once="Letter", says=f"Letter {number} arrives, and is answered.")
        for number in range(1, waits)
    ]
    acts += [
        Act(
            do=Deed.PARTITION,
            once="Letter",
            sides=(("a",), ("b",)),
            says="From now on letters are lost. Whoever writes the last one cannot tell.",
        )
    ]
    scenario = _scenario("two-generals", {"unsafe_ms": 20_000}, tuple(acts))
    return msgspec.structs.replace(scenario, finds=tuple(_no_rule()))


def _cash_machine(protocol: str, world: World) -> Scenario:
    naive = any(isinstance(process, CashMachine) for process in world.processes)
    back = (
        "It is back, and whoever wanted cash has gone: money is lost."
        if naive
        else "It comes back prepared, and asks what was decided."
    )
    acts = (
        Act(
            do=Deed.CRASH,
            once="Deduct" if naive else "Prepare",
            nodes=("machine",),
            says="The bank has heard of it, and now the cash machine loses power.",
        ),
        Act(do=Deed.RESTART, at_ms=500, nodes=("machine",), says=back),
    )
    return _scenario("cash-machine", {"unsafe_ms": 4_000}, acts, balance.name if naive else "")


def _no_rule() -> Iterator[str]:
    """What a search over all patterns of loss finds."""
    for rounds in range(1, ROUNDS_MAX + 1):
        count = 4**rounds
        yield (
            f"{rounds} round{'s' * (rounds > 1)}, {count:,} patterns of loss: "
            f"{groups(patterns(rounds))} group of runs"
        )
    yield (
        "One group: between any two runs there is a chain of runs of which each next one looks the "
        "same to one general. Both do the same in every run only if they do so whatever happens."
    )
    yield f"Such a chain, with {CHAIN_ROUNDS} rounds of letters (a→b, b→a):"
    for link in chain(CHAIN_ROUNDS):
        yield f"{_drawn(link.more)}  looks to {link.blind} like  {_drawn(link.less)}"


def _drawn(pattern: Pattern) -> str:
    """Letters that arrive, as dots of a's and b's: ●● both, ●○ only a's, ○○ neither."""
    return " ".join("".join("●" if arrives else "○" for arrives in each) for each in pattern)


BUILTINS = (
    Builtin(
        "partition-and-heal",
        "Two sides that cannot reach each other, and then can: all must catch up.",
        (),
        _partition,
        delays=True,
    ),
    Builtin(
        "leader-crash",
        "Whoever leads may crash in the middle of it, and what it began must come to an end.",
        tuple(LEADER),
        _leader_crash,
    ),
    Builtin(
        "duelling-leaders",
        "Two that lead may stop each other again and again, though nothing fails.",
        ("paxos",),
        _duel,
    ),
    Builtin(
        "topology-deadlock",
        "Bounded links that block may wait for each other in a circle.",
        (),
        _deadlock,
    ),
    Builtin(
        "two-generals",
        "No finite exchange over links that lose gives common knowledge.",
        ("two_generals",),
        _two_generals,
    ),
    Builtin(
        "cash-machine",
        "300 dollars are to be deducted here and issued there, and the power fails in between.",
        ("bank",),
        _cash_machine,
    ),
)


def find_scenario(name: str, protocol: str, world: World) -> Scenario:
    """The scenario of that name for a protocol. Raises UsageError, with those there are."""
    fit = {each.name: each for each in scenarios_of(protocol, world)}
    if name not in fit:
        why = " for this protocol" if any(each.name == name for each in BUILTINS) else ""
        raise UsageError(f"there is no scenario {name!r}{why}. There is: {', '.join(fit)}")
    return fit[name].make(protocol, world)


def scenarios_of(protocol: str, world: World) -> tuple[Builtin, ...]:
    """The scenarios that a protocol can play in a world."""
    fit = (each for each in BUILTINS if not each.protocols or protocol in each.protocols)
    return tuple(each for each in fit if not (each.delays and world.synchronous))


def _scenario(
    name: str, settings: dict[str, object], acts: tuple[Act, ...], violates: str = ""
) -> Scenario:
    shows = next(each.shows for each in BUILTINS if each.name == name)
    return Scenario(name=name, shows=shows, settings=settings, acts=acts, violates=violates)
