"""Command consensus without one of its guards."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from quorate.kernel import Actor, Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.properties.consensus import Commanded, Decided, Failed
from quorate.protocols import command_consensus
from quorate.protocols.command_consensus import DEFAULT, Commander, Lieutenant, Order


class CommanderDecidesFirst(Commander):
    def on_start(self, ctx: Context, recovered: bool) -> None:
        if not recovered:
            ctx.output(Decided(self.order))
        Commander.on_start(self, ctx, recovered)


class CommanderComesBackInSilence(Commander):
    def on_start(self, ctx: Context, recovered: bool) -> None:
        if recovered:
            return ctx.output(Failed())
        Commander.on_start(self, ctx, recovered)


class CommanderSaysOneThingAndDoesAnother(Commander):
    def on_start(self, ctx: Context, recovered: bool) -> None:
        if recovered:
            return Commander.on_start(self, ctx, recovered)
        ctx.output(Commanded(self.order))
        ctx.broadcast(self.lieutenants, Order(self.order))
        ctx.output(Decided(DEFAULT))


class LieutenantObeysAtOnce(Lieutenant):
    def propose(self, ctx: Context, value: str) -> None:
        if self.is_waiting:
            self.is_waiting = False
            ctx.output(Decided(value))


class LieutenantIsDisobedient(Lieutenant):
    def on_order(self, ctx: Context, src: NodeId, m: Order) -> None:
        self.propose(ctx, DEFAULT)


def _swap(new: type[Actor]) -> Callable[..., World]:
    def world(generals: int = 3, faults: int = 1, large: bool = False) -> World:
        if large:
            return swapped(command_consensus.world(generals, faults), new)
        return swapped(command_consensus.small(generals, faults), new)

    return world


def _mutant(
    name: str,
    breaks: str,
    kills: str,
    new: type[Actor],
    at_large: Mapping[str, object] = {"large": True},
) -> Mutant:
    return Mutant(
        name=name,
        protocol="command_consensus",
        breaks=breaks,
        kills=kills,
        world=_swap(new),
        at_large=at_large,
    )


MUTANTS = (
    _mutant(
        "commander_decides_first",
        "a commander decides before it has told anyone",
        "agreement",
        CommanderDecidesFirst,
    ),
    _mutant(
        "commander_comes_back_in_silence",
        "a commander that was gone lets nobody know",
        "termination of all",
        CommanderComesBackInSilence,
    ),
    _mutant(
        "commander_says_one_thing_and_does_another",
        "a commander decides otherwise than it commands",
        "obedience",
        CommanderSaysOneThingAndDoesAnother,
    ),
    _mutant(
        "lieutenant_obeys_at_once",
        "a lieutenant decides what it is ordered, whatever others are",
        "agreement of the correct",
        LieutenantObeysAtOnce,
    ),
    _mutant(
        "lieutenant_is_disobedient",
        "a lieutenant proposes what it was not ordered",
        "obedience",
        LieutenantIsDisobedient,
    ),
)
