"""What a run without failures costs: measured, by formula, and enumerated by hand."""

from __future__ import annotations

import inspect

import pytest

from quorate.kernel import Actor, Context, Message, NodeId, Process, Stable, World
from quorate.properties.cost import Cost, formulas, sentence
from quorate.protocols import Protocol, all_protocols, find, settings_of
from quorate.sim.quiet import SIZES, cost_rows, expected, quiet_diagram
from quorate.traces.meter import measure
from quorate.traces.spacetime import retell
from sim.toys import run, world

every_protocol = pytest.mark.parametrize("protocol", all_protocols(), ids=lambda p: p.name)


@every_protocol
def test_a_protocol_costs_what_its_formula_says_in_every_size(protocol: Protocol) -> None:
    rows = list(cost_rows(protocol))
    assert [row for row in rows if row.measured != row.formula] == []
    sizes = {tuple(row.settings.items()) for row in rows}
    assert len(sizes) >= min(3, len(SIZES) ** len(inspect.signature(protocol.cost).parameters))


@every_protocol
def test_the_docstring_states_the_formulas_of_the_code(protocol: Protocol) -> None:
    assert protocol.sections["Cost"] == sentence(protocol.cost)
    known = set(settings_of(protocol.worlds["main"]))
    assert set(inspect.signature(protocol.cost).parameters) <= known
    assert set(expected(protocol, {}).counted) <= set(protocol.messages)


class Ledger:
    """A run written down by hand: chains of messages and forced writes, as (delays, writes)."""

    def __init__(self) -> None:
        self.messages = self.writes = 0

    def send(self, at: tuple[int, int]) -> tuple[int, int]:
        self.messages += 1
        return at[0] + 1, at[1]

    def write(self, at: tuple[int, int]) -> tuple[int, int]:
        self.writes += 1
        return at[0], at[1] + 1

    def cost(self, *ends: tuple[int, int]) -> tuple[int, int, int, int]:
        delays, writes = latest(*ends)
        return self.messages, delays, self.writes, writes


def latest(*ends: tuple[int, int]) -> tuple[int, int]:
    """When the last of several chains has arrived."""
    return max(delays for delays, _ in ends), max(writes for _, writes in ends)


def gray_and_lamport(participants: int) -> tuple[int, int, int, int]:
    """Two-phase commit, TODS 31(1) section 3: the first participant prepares and tells the
    coordinator, which asks the others; once all are prepared it writes the outcome and tells them.
    """
    ledger = Ledger()
    told = ledger.send(ledger.write((0, 0)))
    others = [ledger.send(ledger.write(ledger.send(told))) for _ in range(participants - 1)]
    decided = ledger.write(latest(told, *others))
    return ledger.cost(*(ledger.send(decided) for _ in range(participants)))


def paxos_made_simple(acceptors: int, learners: int) -> tuple[int, int, int, int]:
    """The synod of section 2.2 with a lone proposer, which counts votes and tells learners."""
    ledger = Ledger()
    begun = ledger.write((0, 0))
    promises = [ledger.send(ledger.write(ledger.send(begun))) for _ in range(acceptors)]
    chosen = latest(*promises)
    votes = [ledger.send(ledger.write(ledger.send(chosen))) for _ in range(acceptors)]
    return ledger.cost(*(ledger.send(latest(*votes)) for _ in range(learners)))


def figures(cost: Cost) -> tuple[int, int, int, int]:
    return cost.messages, cost.delays, cost.forced_writes, cost.write_delays


@pytest.mark.parametrize("participants", range(2, 9))
def test_two_phase_commit_costs_what_the_paper_counts(participants: int) -> None:
    of, settings = find("two_phase_commit"), {"participants": participants}
    assert figures(measure(quiet_diagram(of, settings))) == gray_and_lamport(participants)


@pytest.mark.parametrize("acceptors", range(1, 8))
@pytest.mark.parametrize("learners", [1, 2, 5])
def test_paxos_costs_what_the_paper_counts(acceptors: int, learners: int) -> None:
    of, settings = find("paxos"), {"acceptors": acceptors, "learners": learners}
    assert figures(measure(quiet_diagram(of, settings))) == paxos_made_simple(acceptors, learners)


class Ask(Message, frozen=True):
    hops: int


class Thanks(Message, frozen=True):
    pass


class Relay(Actor):
    """Writes, and asks the next one; the last says thanks, upon which the first writes again."""

    to: NodeId
    count: Stable[int] = 0
    begins: bool = False

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if self.begins:
            self.count += 1
            ctx.send(self.to, Ask(0))

    def on_ask(self, ctx: Context, src: NodeId, m: Ask) -> None:
        if not self.begins:
            self.count += 1
            ctx.send(self.to, Ask(m.hops + 1))
        else:
            ctx.send(src, Thanks())

    def on_thanks(self, ctx: Context, src: NodeId, m: Thanks) -> None:
        self.count += 1


def cost_of(made: World, *counted: type[Message]) -> tuple[int, int, int, int]:
    trace = run(made).trace
    assert trace is not None
    return figures(measure(retell(trace, made.processes), counted))


def test_a_chain_is_counted_by_its_length_and_a_write_nobody_waits_for_is_not() -> None:
    a, b, c = Relay("a", "b", begins=True), Relay("b", "c"), Relay("c", "a")
    # a, b and c write before they send; c's write after the thanks holds nothing up.
    assert cost_of(world(a, b, c)) == (4, 4, 3, 3)


def test_messages_within_a_node_cost_nothing_and_its_writes_are_forced_at_once() -> None:
    a, b, c = Relay("a", "b", begins=True), Relay("b", "c"), Relay("c", "a")
    assert cost_of(world(Process("ab", (a, b)), c)) == (3, 3, 2, 2)
    assert cost_of(world(Process("abc", (a, b, c)))) == (0, 0, 0, 0)


def test_what_does_not_count_lengthens_no_chain() -> None:
    a, b, c = Relay("a", "b", begins=True), Relay("b", "c"), Relay("c", "a")
    assert cost_of(world(a, b, c), Ask) == (3, 3, 3, 3)
    # Whatever came before the first message that counts, such as an election, costs nothing.
    assert cost_of(world(a, b, c), Thanks) == (1, 1, 0, 0)


def made_up(nodes: int, faults: int) -> Cost:
    """until it ends"""
    return Cost(
        messages=2 * (nodes - 1) * faults,
        delays=5 if faults else 4,
        forced_writes=nodes,
        write_delays=1,
    )


def test_formulas_are_read_from_the_code() -> None:
    assert formulas(made_up) == {
        "messages": "2·(nodes - 1)·faults",
        "delays": "5 if faults else 4",
        "forced_writes": "nodes",
        "write_delays": "1",
    }
    assert sentence(made_up) == (
        "until it ends: 2·(nodes - 1)·faults messages, 5 if faults else 4 message delays, "
        "nodes forced writes, 1 write delay"
    )
