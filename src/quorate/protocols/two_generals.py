"""Two generals: attack together or not at all, by letters that may be lost.

Problem      two generals attack at dawn if both know that both will, which no protocol achieves
Source       Gray, Notes on Data Base Operating Systems, 1978, section 3.4.2
Model        synchronous but for loss: it dawns for both at the same time; no crashes; links lose
Quorum       both
Roles
  General    answers every letter, until all have been written; at dawn attacks if sure enough
Messages
  Letter     general ↔ general — I have had all letters before this one
Stable       none: nobody crashes
Guarantees   obedience, both_attack, one_alone, punctuality
Cost         until it dawns: letters messages, letters message delays, 0 forced writes,
             0 write delays
Deviations   none; that a general may be left alone is the point, so a property says that it happens
"""

from __future__ import annotations

from quorate.kernel import Actor, Context, Message, NodeId, World
from quorate.properties.cost import Cost
from quorate.properties.generals import (
    Attacks,
    Ordered,
    Waits,
    both_attack,
    obedience,
    one_alone,
    punctuality,
)

DAWN_MS = (10_000, 10_000)


class Letter(Message, frozen=True):
    number: int


Msg = Letter


class General(Actor):
    """Answers every letter, until all have been written; at dawn attacks if sure enough.

    `needs`: the number of the last letter that it must have had to be sure.
    """

    peer: NodeId
    letters: int
    needs: int
    ordered: bool = False
    had: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("dawn", DAWN_MS)
        if self.ordered:
            ctx.output(Ordered())
            self.write(ctx, 1)

    def write(self, ctx: Context, number: int) -> None:
        if number <= self.letters:
            ctx.send(self.peer, Letter(number))

    def on_letter(self, ctx: Context, src: NodeId, m: Letter) -> None:
        if m.number <= self.had:
            return ctx.ignore("the letter came twice")
        self.had = m.number
        self.write(ctx, m.number + 1)

    def on_timer(self, ctx: Context, timer: str) -> None:
        knows = self.ordered or self.had > 0
        ctx.output(Attacks() if knows and self.had >= self.needs else Waits())


PROPERTIES = (obedience, both_attack, one_alone, punctuality)


def world(letters: int = 4, ordered: bool = True) -> World:
    """Generals a and b, each sure only once it has had the last letter that can reach it.

    `ordered`: a is ordered to attack.
    """
    last = {"a": letters - letters % 2, "b": letters - 1 + letters % 2}
    return World(
        processes=(
            General("a", "b", letters, last["a"], ordered),
            General("b", "a", letters, last["b"]),
        ),
        properties=PROPERTIES,
        crashable=frozenset(),
    )


def small(letters: int = 4) -> World:
    """The same: there are few ways for it to go on."""
    return world(letters)


def cost(letters: int) -> Cost:
    """until it dawns"""
    return Cost(
        messages=letters,
        delays=letters,
        forced_writes=0,
        write_delays=0,
    )


WORLDS = {"main": world, "small": small}
QUIET: dict[str, object] = {}
