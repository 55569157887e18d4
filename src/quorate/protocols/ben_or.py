"""Ben-Or: agree by flipping coins, without clocks, leaders or detectors.

Problem      the nodes decide one of two values that some of them proposed
Source       Ben-Or, Another Advantage of Free Choice, PODC 1983, protocol A with crash faults;
             Aguilera and Toueg, The Correctness Proof of Ben-Or's Randomized Consensus
             Algorithm, Distributed Computing 25 2012
Model        asynchronous; crash-recovery; links lose, duplicate and reorder; n ≥ 2f + 1
Quorum       n - f nodes end a stage; a majority of n to propose a value, f + 1 to decide it
Roles
  Node       prefers a value; reports it, proposes what most prefer, flips a coin in between
Messages
  Report     node → nodes — this is the value that I prefer in this round
  Proposal   node → nodes — most nodes prefer this value (or, with none: no value leads)
  Repeat     node → nodes — I wait in this round: what did you say in it?
  Decision   node → nodes — this is the decision
Stable
  Node.said     or it would say two things in one round, each to others
  Node.decided  or it would have to find out again
Guarantees   agreement, validity, decision, termination
Cost         until all have decided, when all prefer one value: 2·nodes·(nodes - 1) messages,
             2 message delays, 2·nodes forced writes, 2 write delays
Deviations   nodes say again what others missed, and come back from crashes as they were; a node
             that has decided tells the others, instead of going on for ever
"""

from __future__ import annotations

import enum

from quorate.kernel import Actor, Context, Message, NodeId, Stable, World
from quorate.properties.consensus import (
    Decided,
    Proposed,
    agreement,
    decision,
    termination,
    validity,
)
from quorate.properties.cost import Cost

COIN = ("0", "1")
REPEAT_MS = (40, 80)


class Report(Message, frozen=True):
    round: int
    value: str


class Proposal(Message, frozen=True):
    round: int
    value: str | None


class Repeat(Message, frozen=True):
    round: int


class Decision(Message, frozen=True):
    value: str


Msg = Report | Proposal | Repeat | Decision


class Phase(enum.Enum):
    """What a node waits for."""

    REPORTS = "reports"
    PROPOSALS = "proposals"
    COIN = "coin"
    NOTHING = "nothing"


class Node(Actor):
    """Prefers a value; reports it, proposes what most prefer, flips a coin in between."""

    nodes: tuple[NodeId, ...]
    faults: int
    wish: str
    rounds_max: int = 0
    said: Stable[tuple[Report | Proposal, ...]] = ()
    decided: Stable[str | None] = None
    phase: Phase = Phase.NOTHING
    heard: frozenset[tuple[NodeId, str | None]] = frozenset()

    @property
    def round(self) -> int:
        return self.said[-1].round

    @property
    def others(self) -> tuple[NodeId, ...]:
        return tuple(node for node in self.nodes if node != self.me)

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.output(Proposed(self.wish))
        if self.decided is not None:
            return self.decide(ctx, self.decided)
        if self.said:  # whatever came before the crash is lost: ask for it
            last = self.said[-1]
            self.phase = Phase.REPORTS if isinstance(last, Report) else Phase.PROPOSALS
            self.heard = frozenset({(self.me, last.value)})
            ctx.broadcast(self.others, Repeat(self.round))
        else:
            self.say(ctx, Report(1, self.wish), Phase.REPORTS)
        ctx.set_timer("repeat", REPEAT_MS)

    def say(self, ctx: Context, statement: Report | Proposal, phase: Phase) -> None:
        """One statement for each stage of each round, the same to everyone, for good."""
        self.said, self.phase = (*self.said, statement), phase
        self.heard = frozenset({(self.me, statement.value)})
        ctx.broadcast(self.others, statement)

    def on_report(self, ctx: Context, src: NodeId, m: Report) -> None:
        if self.phase is not Phase.REPORTS or m.round != self.round:
            return ctx.ignore("not the open stage")
        self.heard |= {(src, m.value)}
        if len(self.heard) < len(self.nodes) - self.faults:
            return
        values = [value for _, value in self.heard]
        most = next((v for v in COIN if 2 * values.count(v) > len(self.nodes)), None)
        self.say(ctx, Proposal(m.round, most), Phase.PROPOSALS)

    def on_proposal(self, ctx: Context, src: NodeId, m: Proposal) -> None:
        if self.phase is not Phase.PROPOSALS or m.round != self.round:
            return ctx.ignore("not the open stage")
        self.heard |= {(src, m.value)}
        if len(self.heard) < len(self.nodes) - self.faults:
            return
        # No two nodes propose different values: each had a majority of all nodes behind it.
        backed = sorted(value for _, value in self.heard if value is not None)
        if len(backed) > self.faults:
            self.decide(ctx, backed[0])
        elif backed:
            self.next_round(ctx, backed[0])
        else:
            self.phase = Phase.COIN
            ctx.choose("coin", COIN)

    def on_choice(self, ctx: Context, key: str, value: int | str) -> None:
        if self.phase is Phase.COIN:
            self.next_round(ctx, str(value))

    def next_round(self, ctx: Context, value: str) -> None:
        if self.rounds_max and self.round >= self.rounds_max:
            self.phase, self.heard = Phase.NOTHING, frozenset()
            return ctx.ignore("no rounds left")
        self.say(ctx, Report(self.round + 1, value), Phase.REPORTS)

    def decide(self, ctx: Context, value: str) -> None:
        self.decided, self.phase, self.heard = value, Phase.NOTHING, frozenset()
        ctx.output(Decided(value))
        ctx.cancel_timer("repeat")
        ctx.broadcast(self.others, Decision(value))

    # Links lose messages, and nodes sleep through them.

    def on_timer(self, ctx: Context, timer: str) -> None:
        ctx.broadcast(self.others, self.said[-1])
        ctx.broadcast(self.others, Repeat(self.round))
        ctx.set_timer("repeat", REPEAT_MS)

    def on_repeat(self, ctx: Context, src: NodeId, m: Repeat) -> None:
        if self.decided is not None:
            return ctx.send(src, Decision(self.decided))
        for statement in self.said:
            if statement.round == m.round:
                ctx.send(src, statement)

    def on_decision(self, ctx: Context, src: NodeId, m: Decision) -> None:
        if self.decided is not None:
            return ctx.ignore("already decided")
        self.decide(ctx, m.value)


PROPERTIES = (agreement, validity, decision, termination)


def world(nodes: int = 3, ones: int = 1, faults: int = 0, rounds: int = 0) -> World:
    """Nodes n1…, the first `ones` of which wish for 1, the others for 0.

    0 `faults`: as many as can be tolerated. 0 rounds: no end.
    """
    names = tuple(f"n{i}" for i in range(1, nodes + 1))
    tolerated = faults or (nodes - 1) // 2
    return World(
        processes=tuple(
            Node(name, names, tolerated, COIN[i < ones], rounds) for i, name in enumerate(names)
        ),
        properties=PROPERTIES,
        bounds=(f"each node takes part in rounds 1 to {rounds}",) if rounds else (),
    )


def small(nodes: int = 3, ones: int = 1, faults: int = 0, rounds: int = 1) -> World:
    """The same with few rounds, so that it can be explored to its end."""
    return world(nodes, ones, faults, rounds)


def cost(nodes: int) -> Cost:
    """until all have decided, when all prefer one value"""
    return Cost(
        messages=2 * nodes * (nodes - 1),
        delays=2,
        forced_writes=2 * nodes,
        write_delays=2,
        counted=(Report, Proposal),
    )


WORLDS = {"main": world, "small": small}
QUIET = {"ones": 0}
