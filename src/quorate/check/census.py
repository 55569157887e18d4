"""All deterministic protocols of two rounds by which two lieutenants could obey a commander, with
orders of one bit: how many of them withstand any one traitor, which is none.

In the first round the commander tells each lieutenant his order; in the second each tells the other
something, by a rule on what it was told; then each decides, by a rule on what it was told by both.
Lamport, Shostak and Pease, The Byzantine Generals Problem, TOPLAS 4(3) 1982, section 2, show that
there is none for any number of rounds; `quorate.check.hexagon` refutes those of any length.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import msgspec

BITS = (0, 1)
Relay = tuple[int, ...]
"""What to tell the other, by what the commander said: two bits."""
Rule = tuple[int, ...]
"""What to do, by twice what the commander said, and what the other said: four bits."""


class Protocol(msgspec.Struct, frozen=True):
    """The rules of both lieutenants."""

    relays: tuple[Relay, Relay]
    rules: tuple[Rule, Rule]


class Census(msgspec.Struct, frozen=True):
    """How many protocols there are; how many withstand any one traitor; how many fail to agree
    only, how many to obey a loyal commander only, how many both."""

    protocols: int
    survive: int
    disagree: int
    disobey: int
    both: int


def protocols() -> Iterator[Protocol]:
    """Every one of them."""
    relays = tuple(product(BITS, repeat=2))
    rules = tuple(product(BITS, repeat=4))
    for left, right, one, two in product(relays, relays, rules, rules):
        yield Protocol((left, right), (one, two))


def agrees(protocol: Protocol) -> bool:
    """IC1, if the commander is the traitor: whatever he tells each, they do the same."""
    (left, right), (one, two) = protocol.relays, protocol.rules
    return all(one[2 * a + right[b]] == two[2 * b + left[a]] for a, b in product(BITS, BITS))


def obeys(protocol: Protocol) -> bool:
    """IC2, if a lieutenant is the traitor: whatever he says, the other does as it is ordered."""
    return all(
        rule[2 * order + lie] == order
        for rule in protocol.rules
        for order, lie in product(BITS, BITS)
    )


def census() -> Census:
    """Count them all."""
    found = [(agrees(each), obeys(each)) for each in protocols()]
    return Census(
        protocols=len(found),
        survive=found.count((True, True)),
        disagree=found.count((False, True)),
        disobey=found.count((True, False)),
        both=found.count((False, False)),
    )
