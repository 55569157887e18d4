"""What a run without failures costs, measured and by formula; more in test_cost.py."""

from __future__ import annotations

import inspect

import pytest

from quorate.kernel import Actor, Context, Message, NodeId, Process, Stable, World
from quorate.properties.cost import Cost, formulas, sentence
from quorate.protocols import Protocol, all_protocols, settings_of
from quorate.sim.quiet import SIZES, cost_rows, expected
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


def figures(cost: Cost) -> tuple[int, int, int, int]:
    return cost.messages, cost.delays, cost.forced_writes, cost.write_delays


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
    # a and b write in one step: two writes, of which none waits for the other.
    assert cost_of(world(Process("ab", (a, b)), c)) == (3, 3, 3, 2)
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
