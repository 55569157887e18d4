"""Flooding consensus without one of its guards."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from quorate.kernel import Context, Network, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.protocols import flooding_consensus
from quorate.protocols.flooding_consensus import Node, Patient, Values

PLAIN, ALL = "agreement of the correct", "termination of all"


class RunsOneRoundLess(Node):
    @property
    def is_done(self) -> bool:
        return self.round >= self.rounds

    def begin(self, ctx: Context, round: int) -> None:
        if round == self.rounds:
            return self.decide(ctx)
        Node.begin(self, ctx, round)


class DoesNotRelay(Node):
    def begin(self, ctx: Context, round: int) -> None:
        known, self.known = self.known, frozenset({self.wish or ""})
        Node.begin(self, ctx, round)
        self.known |= known


class ListensToTheFailed(Node):
    def on_values(self, ctx: Context, src: NodeId, m: Values) -> None:
        failed, self.failed = self.failed, self.failed - {src}
        Node.on_values(self, ctx, src, m)
        self.failed |= failed


class ForgetsWhatIsAhead(Node):
    def on_values(self, ctx: Context, src: NodeId, m: Values) -> None:
        if m.round > self.round:
            return ctx.ignore("not yet")
        Node.on_values(self, ctx, src, m)


class ComesBackInSilence(Node):
    def come_back(self, ctx: Context) -> None:
        self.leave()


class ComesBackAsIfNothingWere(Node):
    def come_back(self, ctx: Context) -> None:
        self.on_start(ctx, recovered=False)


class MakesItsChoice(Node):
    def decide(self, ctx: Context) -> None:
        self.known = frozenset({"v0"})
        Node.decide(self, ctx)


class WaitsForWhoeverFailed(Node):
    def missing(self) -> frozenset[NodeId]:
        return Node.missing(self) | self.failed


class WaitsForItself(Node):
    def missing(self) -> frozenset[NodeId]:
        return Node.missing(self) | {self.me}


class PatientLosesPatience(Patient):
    def on_timer(self, ctx: Context, timer: str) -> None:
        self.suspect(ctx, self.missing())


class PatientAsksNobody(Patient):
    def come_back(self, ctx: Context) -> None:
        self.on_start(ctx, recovered=False)

    def set_timer(self, ctx: Context) -> None:
        pass


def _swap(node: type[Node], network: Network = Network.FIFO) -> Callable[..., World]:
    def world(faults: int = 1, large: bool = False) -> World:
        if large:
            return swapped(flooding_consensus.world(3, faults), node)
        small = swapped(flooding_consensus.small(faults=faults), node)
        return msgspec.structs.replace(small, network=network)

    return world


def _patient(node: type[Node]) -> Callable[..., World]:
    def world(votes: str = "abc", crashes: int = 1) -> World:
        base = flooding_consensus.patient(votes, crashes=crashes)
        return swapped(msgspec.structs.replace(base, network=Network.FIFO), node)

    return world


def _mutant(name: str, breaks: str, kills: str, world: Callable[..., World]) -> Mutant:
    at_large = {} if name.startswith("patient") else {"large": True}
    return Mutant(
        name=name,
        protocol="flooding_consensus",
        breaks=breaks,
        kills=kills,
        world=world,
        at_large=at_large,
    )


MUTANTS = (
    _mutant(
        "runs_one_round_less",
        "there are only as many rounds as nodes may fail",
        PLAIN,
        _swap(RunsOneRoundLess),
    ),
    _mutant("does_not_relay", "nodes say only what they wish for", PLAIN, _swap(DoesNotRelay)),
    _mutant(
        "listens_to_the_failed",
        "a node hears one that it has taken to have failed",
        PLAIN,
        _swap(ListensToTheFailed, Network.MULTISET),
    ),
    _mutant(
        "forgets_what_is_ahead",
        "a node drops what is said in a round that it has not begun",
        ALL,
        _swap(ForgetsWhatIsAhead),
    ),
    _mutant(
        "comes_back_in_silence",
        "whoever comes back lets nobody know",
        ALL,
        _swap(ComesBackInSilence),
    ),
    _mutant(
        "comes_back_as_if_nothing_were",
        "whoever comes back takes part as before",
        ALL,
        _swap(ComesBackAsIfNothingWere),
    ),
    _mutant(
        "waits_for_whoever_failed",
        "a detector's word changes nothing",
        ALL,
        _swap(WaitsForWhoeverFailed),
    ),
    _mutant(
        "waits_for_itself",
        "a node waits for its own message, which nobody sends",
        "decision is reachable",
        _swap(WaitsForItself),
    ),
    _mutant(
        "makes_its_choice",
        "a node decides what nobody proposed",
        "validity",
        _swap(MakesItsChoice),
    ),
    _mutant(
        "patient_loses_patience",
        "one that waits for all goes on without them",
        "agreement",
        _patient(PatientLosesPatience),
    ),
    _mutant(
        "patient_asks_nobody",
        "one that comes back does not ask for what it missed",
        ALL,
        _patient(PatientAsksNobody),
    ),
)
