"""The event loop that nodes run on: uvloop where there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from quorate.kernel import UsageError

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end. Raises UsageError under `python -O`."""
    try:
        refuse_unchecked()
    except UsageError:
        main.close()
        raise
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(main)


def refuse_unchecked() -> None:
    """Raise UsageError where assertions are off: protocols check their invariants with them."""
    if not __debug__:
        raise UsageError("python -O turns off the checks that nodes rely on; run without -O")


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # a platform without it: slower, and otherwise the same
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
