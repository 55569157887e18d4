"""The outcome of a check, for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from quorate.kernel import brief
from quorate.properties.linearizable import Outcome, Stuck
from quorate.properties.objects import UNKNOWN, Operation

LAST = 12


def report(outcome: Outcome, width: int = 80, last: int | None = LAST) -> str:
    """What was found, in lines of at most `width` columns unless a word is longer; of the longest
    order, the `last` operations (None: all)."""
    apart = f" on {outcome.parts:,} objects" if outcome.parts > 1 else ""
    lines = [
        f"{outcome.model}: {outcome.verdict}; {outcome.operations:,} operations{apart}, "
        f"{outcome.indefinite:,} of unknown end, {outcome.steps:,} steps"
    ]
    if outcome.reason:
        lines.append(f"unknown, since {outcome.reason}")
    if outcome.stuck is not None:
        lines += ["", *_explain(outcome.stuck, last)]
    return "\n".join(
        textwrap.fill(line, width, subsequent_indent=" " * 12, break_long_words=False)
        for line in lines
    )


def _explain(stuck: Stuck, last: int | None) -> Iterator[str]:
    of = "" if stuck.key is None else f" of {brief(stuck.key)}"
    count = len(stuck.order)
    first = 0 if last is None else max(0, count - last)
    yield (
        f"The longest order found{of} has {stuck.total - stuck.left:,} of the {stuck.total:,} "
        "operations that returned:"
    )
    if first:
        yield f"      … {first:,} earlier ones"
    for number, operation in enumerate(stuck.order[first:], start=first + 1):
        yield f"{number:5}  {_shown(operation)}"
    yield f"The state is then {stuck.state}, and none of these fits it, of which one must be next:"
    for operation in stuck.next:
        yield f"    ✗  {_shown(operation)}, from {operation.called} to {operation.returned}"


def _shown(operation: Operation) -> str:
    words = [operation.name]
    if operation.argument is not None:
        words.append(brief(operation.argument))
    if operation.result is UNKNOWN:
        words.append("→ unknown")
    elif repr(operation.result) != repr(operation.argument):
        words.append(f"→ {brief(operation.result)}")
    return f"process {operation.process}: " + " ".join(words)
