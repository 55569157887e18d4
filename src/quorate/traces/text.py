"""The space-time diagram as text: a column for each node, a line for each thing that happened.

│ ── ▶   a message, drawn where it arrives     ┄┄ ▶   the same message once more
│ ── ✗   a message that no step of the trace received
●        a fact that was stated                ◷      a timer that ran out
✖ ▲      a crash, a restart                    ┊      a node that is down
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from quorate.kernel import Choice, Crash, Receive, Start, Timeout, brief, core
from quorate.traces.spacetime import Sent, SpaceTime, Step

COLUMN_MAX, COLUMN_MIN = 18, 4
COLUMN_FOR_TIME = 11
HEAD = 4


def text_diagram(diagram: SpaceTime, width: int, lines_max: int = 0) -> str:
    """The diagram in lines of `width` columns; with `lines_max`, of which the first and the last
    are drawn, and what is left out is counted."""
    return "\n".join(_Drawing(diagram, width).lines(lines_max))


class _Drawing:
    def __init__(self, diagram: SpaceTime, width: int) -> None:
        self.diagram, self.width = diagram, width
        self.count = len(diagram.nodes)
        self.digits = max(4, len(str(len(diagram.steps))))
        self.times = diagram.timed
        if self.times and self._column(self._gutter()) < COLUMN_FOR_TIME:
            self.times = False
        self.gutter = self._gutter()
        self.column = self._column(self.gutter)
        self.down: set[int] = set()

    def _gutter(self) -> int:
        return self.digits + (12 if self.times else 2)

    def _column(self, gutter: int) -> int:
        return max(COLUMN_MIN, min(COLUMN_MAX, (self.width - gutter) // self.count))

    def lines(self, lines_max: int) -> list[str]:
        """The heading, and the lines of the steps that are shown."""
        blocks = list(self._blocks())
        shown = sum(len(lines) for _, lines in blocks)
        if not lines_max or shown <= lines_max:
            return [self._heading(), *(line for _, lines in blocks for line in lines)]
        first = last = 0
        while sum(len(lines) for _, lines in blocks[: first + 1]) <= min(HEAD, lines_max // 2):
            first += 1
        room = lines_max - sum(len(lines) for _, lines in blocks[:first])
        while sum(len(lines) for _, lines in blocks[len(blocks) - last - 1 :]) <= room:
            last += 1
        rest = blocks[first : len(blocks) - last]
        head, tail = blocks[:first], blocks[len(blocks) - last :]
        steps = [self.diagram.steps[index] for index, _ in rest if index is not None]
        return [
            self._heading(),
            *(line for _, lines in head for line in lines),
            self._left_out(steps),
            *(line for _, lines in tail for line in lines),
        ]

    def _left_out(self, steps: list[Step]) -> str:
        """How many steps are not drawn, and of what kinds, as far as that fits into a line."""
        kinds = Counter(
            type(inner.msg).__name__ if isinstance(inner, Receive) else type(inner).__name__.lower()
            for inner in (core(step.event) for step in steps)
        )
        line = " " * self.gutter + f"… {len(steps):,} steps left out:"
        for kind, count in kinds.most_common():
            more = f" {count:,} {kind},"
            if len(line) + len(more) + 2 > self.width:
                return f"{line} …"
            line += more
        return line[:-1]

    def _heading(self) -> str:
        label = "step".rjust(self.digits) + ("        ms" if self.times else "")
        names = (name[: self.column - 1].ljust(self.column) for name in self.diagram.nodes)
        return (label.ljust(self.gutter) + "".join(names)).rstrip()

    def _blocks(self) -> Iterator[tuple[int | None, list[str]]]:
        """Index of the step, and what is drawn of it; a note about the network has no step."""
        notes = list(self.diagram.notes)
        for index, step in enumerate(self.diagram.steps):
            while notes and self.diagram.timed and notes[0].at_us <= step.at_us:
                yield None, [self._fit(" " * self.gutter + f"── {notes.pop(0).note} ──")]
            lines = list(self._step(step))
            if lines:
                lines[0] = self._label(index, step) + lines[0]
                lines[1:] = [" " * self.gutter + line for line in lines[1:]]
                yield index, [self._fit(line) for line in lines]
            if isinstance(step.event, Crash):
                self.down.add(step.node)

    def _label(self, index: int, step: Step) -> str:
        label = str(index + 1).rjust(self.digits)
        if self.times:
            label += f"{step.at_us / 1000:10.1f}"
        return label.ljust(self.gutter)

    def _fit(self, line: str) -> str:
        line = line.rstrip()
        return line if len(line) <= self.width else line[: self.width - 1] + "…"

    def _step(self, step: Step) -> Iterator[str]:
        event = core(step.event)
        received = None if step.received is None else self.diagram.messages[step.received]
        if received is not None and not received.local:
            yield self._arrow(received)
        if isinstance(event, Crash):
            yield self._note(step.node, "✖" + step.title.removeprefix(step.role))
        elif isinstance(event, Start) and event.recovered:
            self.down.discard(step.node)
            yield self._note(step.node, "▲ restart")
        elif isinstance(event, Timeout):
            yield self._note(step.node, f"◷ {event.timer}")
        elif isinstance(event, Choice):
            yield self._note(step.node, f"{event.key}={brief(event.value)}")
        if " raised " in step.title:
            yield self._note(step.node, step.title)
        for role, fact in step.facts:
            by = "" if role == step.role else f"{role}: "
            yield self._note(step.node, f"● {by}{brief(fact)}")
        yield from self._lost(step)

    def _lost(self, step: Step) -> Iterator[str]:
        """One line for all messages of a kind that a step sent and nobody received."""
        kinds: dict[str, set[int]] = {}
        for number in step.sent:
            message = self.diagram.messages[number]
            inside = message.target < self.diagram.inside
            if message.received is None and inside and not message.local:
                kinds.setdefault(message.name, set()).add(message.target)
        for name, targets in kinds.items():
            yield from self._to_nowhere(step.node, name, targets)

    def _to_nowhere(self, source: int, name: str, targets: set[int]) -> Iterator[str]:
        for side in ({t for t in targets if t < source}, {t for t in targets if t > source}):
            if side:
                yield self._shaft(source, side, name, "─", "✗")

    def _arrow(self, message: Sent) -> str:
        source, target = message.source, message.target
        return self._shaft(source, {target}, message.name, "┄" if message.again else "─", "")

    def _shaft(self, source: int, targets: set[int], name: str, stroke: str, mark: str) -> str:
        """A line from a node to others on one side of it, with its name where there is room: in
        the widest gap, or else beyond its end."""
        cells = self._lifelines()
        far = max(targets, key=lambda target: abs(target - source))
        left, right = sorted((source * self.column, far * self.column))
        cells[left + 1 : right] = stroke * (right - left - 1)
        ends = targets if mark else ()
        for target in ends:
            cells[target * self.column] = mark
        stops = sorted({source, far, *ends})
        start, end = max(
            ((a * self.column + 1, b * self.column) for a, b in pairwise(stops)),
            key=lambda gap: gap[1] - gap[0],
        )
        if not mark and far > source:
            end -= 1
            cells[end] = "▶"
        elif not mark:
            cells[start] = "◀"
            start += 1
        if len(name) + 2 < end - start:
            cells[start:end] = f" {name} ".center(end - start, stroke)
        else:
            at = right + 2
            if self.gutter + at + len(name) > self.width:
                at = max(0, left - 1 - len(name))
            cells[at : at + len(name)] = name
        return "".join(cells)

    def _lifelines(self) -> list[str]:
        cells = []
        for lane in range(self.count):
            stroke = "┊" if lane in self.down or lane >= self.diagram.inside else "│"
            cells += [stroke, *" " * (self.column - 1)]
        return cells

    def _note(self, node: int, text: str) -> str:
        cells = self._lifelines()
        at = node * self.column
        room = self.width - self.gutter - at
        if len(text) > room and at > room:  # it does not fit to the right: put it to the left
            text = f"{text[2:]} {text[0]}" if text[1:2] == " " else text
            start = max(0, at - len(text) + 1)
            cells[start : at + 1] = text[len(text) - (at + 1 - start) :]
            return "".join(cells)
        if len(text) > room:
            text = text[: room - 1] + "…"
        cells[at : at + len(text)] = text
        return "".join(cells)
