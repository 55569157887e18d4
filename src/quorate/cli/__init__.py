"""The command line. Data on stdout, progress on stderr.

Exit codes: 0 holds, 1 violated, 2 unknown (a bound was hit), 254 bad arguments, 255 crash, 130
interrupted.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from quorate.cli import (
    bench,
    check,
    cluster,
    flp,
    history,
    impossible,
    lecture,
    protocols,
    replay,
    simulate,
    terminal,
)
from quorate.kernel import QuorateError, UsageError

BAD_ARGUMENTS, CRASH, INTERRUPTED = 254, 255, 130

app = typer.Typer(
    name="quorate",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 holds, 1 violated, 2 unknown, 254 bad arguments, 255 crash.",
)


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
) -> None:
    """Agreement you can run, watch and prove."""


for group in (
    cluster,
    protocols,
    check,
    flp,
    impossible,
    history,
    simulate,
    replay,
    lecture,
    bench,
):
    app.add_typer(group.app)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code."""
    arguments = list(arguments) or ["--help"]
    if arguments == ["--version"]:
        print(importlib.metadata.version("quorate"))
        return 0
    command = typer.main.get_command(app)
    try:
        # Not `app(arguments)`, which would turn a broken pipe into exit code 1, "violated".
        with command.make_context("quorate", [*arguments]) as context:
            code = command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as end:
        return end.exit_code
    except UsageError as error:
        return _fail(str(error), BAD_ARGUMENTS)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except typer.TyperException as error:
        return _fail(error.format_message(), BAD_ARGUMENTS)
    except BrokenPipeError:
        # The reader has seen enough. Nothing more may be flushed to it when Python shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if "--debug" in arguments:
            traceback.print_exc()
        what = str(error) if isinstance(error, QuorateError) else repr(error)
        return _fail(f"{what} (quorate --debug … shows where)", CRASH)
    return code if isinstance(code, int) else 0


def main() -> None:
    """The entry point of the `quorate` command."""
    sys.exit(run(sys.argv[1:]))


def _fail(message: str, code: int) -> int:
    lines = [terminal.wrapped(line) for line in f"quorate: {message}".splitlines()]
    print("\n".join(lines), file=sys.stderr)
    return code
