"""A trace as a sequence diagram in text: one column per process, one line per delivery."""

from __future__ import annotations

from collections.abc import Mapping

from quorate.kernel import NodeId, Receive, Record, Trace, core

COLUMN_MAX = 18


def sequence(trace: Trace, hosts: Mapping[NodeId, NodeId], width: int) -> str:
    """Deliveries between processes, as arrows; facts as notes. `hosts`: role name to process."""
    nodes = list(dict.fromkeys(hosts.values()))
    column = min(COLUMN_MAX, (width - 8) // len(nodes))
    lines = ["".join(node.ljust(column) for node in nodes).rstrip()]
    for record in trace.records:
        event = core(record.event)
        here = nodes.index(record.node)
        if isinstance(event, Receive):
            there = nodes.index(hosts[event.src])
            if there != here:
                lines.append(_arrow(there, here, type(event.msg).__name__, len(nodes), column))
        lines += [_note(here, fact, len(nodes), column, width) for fact in _facts(record)]
    return "\n".join(lines)


def last_fact(trace: Trace) -> int:
    """How many records it takes until the last fact is stated."""
    stated = [i for i, record in enumerate(trace.records, start=1) if _facts(record)]
    return stated[-1] if stated else len(trace.records)


def _facts(record: Record) -> list[str]:
    parts = record.line.split(" | ")
    return [part.partition("! ")[2] for part in parts if part.startswith("! ") or ": ! " in part]


def _lifelines(count: int, column: int) -> list[str]:
    return list(("│" + " " * (column - 1)) * count)


def _arrow(source: int, target: int, name: str, count: int, column: int) -> str:
    cells = _lifelines(count, column)
    left, right = sorted((source * column, target * column))
    room = right - left - 1
    text = f" {name} " if len(name) + 4 <= room else name[: room - 1]
    shaft = text.center(room, "─")
    shaft = shaft[:-1] + "▶" if target > source else "◀" + shaft[1:]
    cells[left + 1 : right] = shaft
    return "".join(cells).rstrip()


def _note(node: int, fact: str, count: int, column: int, width: int) -> str:
    cells = _lifelines(count, column)
    at = node * column
    note = f"● {fact}"
    if at + len(note) > width:
        note = note[: width - at - 1] + "…"
    cells[at : at + len(note)] = note
    return "".join(cells).rstrip()
