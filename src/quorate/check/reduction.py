"""What a reduced search need not tell apart: steps that show nothing, and messages that are dead
(ADR 13, where it is argued why nothing is missed).

Silent  A step is silent if its process sends nothing to others, states nothing new and does not
        crash, and if no property looks at what it changes. `merging` says what follows from that.
Dead    A message in an inbox is dead if its receiver ignores it in its present local state, and in
        every one that it may come to from there. States that differ in dead messages only behave
        alike: dead messages are left out. Which local states a process may come to is not known
        until all have been seen, so it is guessed from those seen so far, and the search repeated
        until the guess was right. No search finds what is not there, whatever it left out, since a
        run in which some messages are lost is a run; it may only miss something.
"""

from __future__ import annotations

from quorate.check.inbox import bits_of
from quorate.check.local import Move
from quorate.check.model import Model


class Reduction:
    """What is silent, and what is dead as far as is known. `reads_states`: some property that is
    judged everywhere looks at local states, not at facts only."""

    def __init__(self, model: Model, reads_states: bool) -> None:
        self._model, self._reads_states = model, reads_states
        self._steps: list[dict[int, set[int]]] = [{} for _ in model.boots]  # as of the last search
        self._seen: list[dict[int, set[int]]] = [{} for _ in model.boots]
        self._dead: dict[tuple[int, int], bool] = {}
        self._bits: list[dict[int, tuple[int, int]]] = [{} for _ in model.boots]

    def is_silent(self, process: int, local: int, move: Move) -> bool:
        """Whether a move from a local state shows nothing, if it does nothing to others."""
        if self._reads_states:
            return move.local == local
        facts = self._model.facts[process]
        return facts[move.local] == facts[local]

    def saw(self, process: int, local: int, after: int) -> None:
        """A process may go from one local state to another."""
        self._seen[process].setdefault(local, set()).add(after)

    def dead(self, process: int, local: int, envelopes: int) -> int:
        """Which envelopes, a bit each, to leave out of the inbox of a process in a local state: the
        same answer during all of a search."""
        asked, dead = self._bits[process].get(local, (0, 0))
        new = envelopes & ~asked
        if new:
            for envelope in bits_of(new):
                dead |= self._is_dead(envelope, local) << envelope
            self._bits[process][local] = asked | new, dead
        return dead & envelopes

    def is_settled(self) -> bool:
        """To be asked after a search: whether all that was left out is dead by what was seen. If it
        is not, the next search knows better."""
        believed, self._dead = self._dead, {}
        self._bits = [{} for _ in self._bits]
        for known, seen in zip(self._steps, self._seen, strict=True):
            for local, after in seen.items():
                known.setdefault(local, set()).update(after)
        return all(self._is_dead(*key) for key, dead in believed.items() if dead)

    def _is_dead(self, envelope: int, local: int) -> bool:
        key = (envelope, local)
        known = self._dead.get(key)
        if known is None:
            known = self._dead[key] = self._has_no_use(envelope, local)
        return known

    def _has_no_use(self, envelope: int, local: int) -> bool:
        steps = self._steps[self._model.target[envelope]]
        todo, met = [local], {local}
        for here in todo:
            if not self._ignores(here, envelope):
                return False
            new = steps.get(here, set()) - met
            met |= new
            todo += new
        return True

    def _ignores(self, local: int, envelope: int) -> bool:
        model = self._model
        process = model.target[envelope]
        if model.take(envelope, local) is not None:
            return False
        if not (model.crashes and model.crashable[process]):
            return True
        crashes = {move[:4] for move in model.crash(process, local)}
        return all(move[:4] in crashes for move in model.crash_taking(envelope, local))
