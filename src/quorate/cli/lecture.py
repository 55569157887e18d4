"""The lecture's claims, each with the run that shows it: `quorate lecture`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from quorate.cli import terminal
from quorate.kernel import UsageError
from quorate.lecture import Claim, Finding, claims, find_claim, verdict_of

app = typer.Typer()


@app.command("lecture")
def lecture_command(
    claim: Annotated[
        str | None, typer.Argument(metavar="CLAIM", help="Only this one, with its trace.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the claims; run nothing.")] = False,
    json: terminal.Json = False,
) -> int:
    """Show each claim of the lecture by a run: it holds if all came out as the lecture says."""
    if listed:
        if claim is not None:
            raise UsageError("--list shows all claims: leave out the claim")
        return _list(json)
    chosen = claims() if claim is None else (find_claim(claim),)
    rows: list[dict[str, Any]] = []
    with terminal.ticker() as tick:
        for each in chosen:
            if tick:
                tick.show(f"{each.name}: {len(rows) + 1} of {len(chosen)}")
            found = each.show()
            rows.append(_data(each, found))
            if not json and claim is None:
                _line(each, found)
                sys.stdout.flush()
            elif not json:
                _show(each, found)
    if json:
        terminal.print_json(rows)
    return 0 if all(row["verdict"] == "holds" for row in rows) else 1


def _list(json: bool) -> int:
    if json:
        terminal.print_json(
            [{"name": c.name, "section": c.section, "says": c.says} for c in claims()]
        )
        return 0
    section = ""
    for each in claims():
        if each.section != section:
            section = each.section
            print(f"\n{section}")
        terminal.entry(each.name, each.says, max(len(c.name) for c in claims()))
    return 0


def _line(claim: Claim, findings: tuple[Finding, ...]) -> None:
    terminal.entry(f"{verdict_of(findings):<9} {claim.name}", claim.says, 40)


def _show(claim: Claim, findings: tuple[Finding, ...]) -> None:
    terminal.say(claim.says)
    print()
    terminal.entry("Lecture", claim.section, 9)
    terminal.entry("Paper", claim.source, 9)
    terminal.entry(
        "Code", ", ".join(f"quorate show {name} --source" for name in claim.protocols), 9
    )
    terminal.entry("Verdict", verdict_of(findings), 9)
    for finding in findings:
        print()
        mark = "" if finding.agrees else f", and not {finding.expected}"
        detail = f" ({finding.detail})" if finding.detail else ""
        terminal.say(f"{finding.what}: {finding.found}{mark}{detail}")
        if finding.command:
            print(f"  {finding.command}")
        if finding.trace is not None:
            print()
            terminal.narrate(terminal.lines_of(finding.trace), None, "")


def _data(claim: Claim, findings: tuple[Finding, ...]) -> dict[str, Any]:
    return {
        "name": claim.name,
        "section": claim.section,
        "says": claim.says,
        "source": claim.source,
        "protocols": claim.protocols,
        "verdict": verdict_of(findings),
        "findings": [
            {
                "what": f.what,
                "expected": f.expected,
                "found": f.found,
                "detail": f.detail,
                "command": f.command,
                "trace_length": len(f.trace.records) if f.trace else None,
            }
            for f in findings
        ],
    }
