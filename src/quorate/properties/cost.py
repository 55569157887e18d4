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
from collections.abc import Callable

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
    and what one step sends to one node is one message. `delays` is the
    largest number of messages of which each waits for the one before; `write_delays` is the same
    for forced writes. A forced write counts when a message that counts has to wait for it.

    `counted` are the kinds of message that count, all if there are none: not heartbeats, elections
    or acknowledgements that nobody waits for. A run costs nothing before the first of them.
    """

    messages: int
    delays: int
    forced_writes: int
    write_delays: int
    counted: tuple[type[Message], ...] = ()


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
    return {name: found[name].replace(" * ", "·") for name in QUANTITIES}


def sentence(cost: Pricing) -> str:
    """The section Cost of the protocol's docstring."""
    parts = []
    for name, text in formulas(cost).items():
        words = QUANTITIES[name]
        parts.append(f"{text} {words.removesuffix('s') if text == '1' else words}")
    return f"{cost.__doc__}: {', '.join(parts)}"
