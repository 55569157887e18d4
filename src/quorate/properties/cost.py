"""What a protocol promises to cost in a run without failures, counted as the papers count.

Source: Gray and Lamport, Consensus on Transaction Commit, TODS 31(1) 2006, section 1 and 4.3.

A protocol says it once, as a function `cost` whose parameters are settings of its main world:

    def cost(acceptors: int, learners: int) -> Cost:
        \"\"\"until every learner knows\"\"\"
        return Cost(
            messages=4 * acceptors + learners,
            delays=5,
            forced_writes=2 * acceptors + 1,
            write_delays=3,
        )

The formulas that people read are taken from the text of that function.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping

import msgspec

from quorate.kernel import Message, UsageError

QUANTITIES = {
    "messages": "messages",
    "delays": "message delays",
    "forced_writes": "forced writes",
    "write_delays": "write delays",
}


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """A message goes from one node to another; within a node it costs nothing,
    and what a role sends to one node in one step is one message. `delays` is the
    largest number of messages of which each waits for the one before; `write_delays` is the same
    for forced writes. A forced write counts when a message that counts has to wait for it; what the
    roles of a node write in one step are as many writes, and one delay.

    `counted` are the kinds of message that count, all if there are none: not heartbeats, elections
    or acknowledgements that nobody waits for. A run costs nothing before the first of them.
    `spontaneous_write_delays`: write delays where all participants prepare without being asked,
    which is a setting `spontaneous` of the main world; None: there is no such setting.
    `exceptions`: by how much a quantity differs from its formula, in sizes so small that the
    formula does not hold. Measured costs have neither.
    """

    messages: int
    delays: int
    forced_writes: int
    write_delays: int
    counted: tuple[type[Message], ...] = ()
    spontaneous_write_delays: int | None = None
    exceptions: Mapping[str, int] = {}

    def exact(self, quantity: str) -> int:
        """What the formula gives, and by how much it is off where there is an exception."""
        general: int = getattr(self, quantity)
        return general + self.exceptions.get(quantity, 0)


Pricing = Callable[..., Cost]
"""The function `cost` of a protocol."""


def formulas(cost: Pricing) -> dict[str, str]:
    """Each quantity's formula as it stands in the code, such as "4·acceptors + learners".

    Raises UsageError unless the function is a single `return Cost(…)` after its docstring.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(cost))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    last = tree.body[-1]
    call = last.value if isinstance(last, ast.Return) else None
    if len(tree.body) != 2 or not isinstance(call, ast.Call) or call.args:
        raise UsageError(
            f"{cost.__module__}.cost: a docstring, then `return Cost(name=formula, …)`"
        )
    found = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    return {name: found[name].replace(" * ", "·").replace(" ** 2", "²") for name in QUANTITIES}


def sentence(cost: Pricing) -> str:
    """The section Cost of the protocol's docstring."""
    parts = []
    for name, text in formulas(cost).items():
        words = QUANTITIES[name]
        parts.append(f"{text} {words.removesuffix('s') if text == '1' else words}")
    return f"{cost.__doc__}: {', '.join(parts)}"
