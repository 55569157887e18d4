"""A model whose every step is known to commute with every permutation of a symmetry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from quorate.check.local import Local, Move
from quorate.check.model import Model
from quorate.check.observers import Observers
from quorate.check.renaming import settled
from quorate.check.symmetry import NOT_ALIKE, Permutation, Symmetry, compose
from quorate.check.verdict import Judge, Locals
from quorate.kernel import Crash, Network, UsageError, World, brief
from quorate.traces.words import describe

Question = tuple[str, int, int]
"""Which function of the model, and two numbers to call it with."""


class SymmetricModel(Model):
    """Refuses, with a UsageError that names the step, to answer what is not symmetric.

    Whatever the model is asked, it compares its answer under each generator of the group with the
    answer to the renamed question, and asks itself that one too, until the orbit is complete.
    """

    def __init__(self, world: World, network: Network, crashes: int) -> None:
        super().__init__(world, network, crashes)
        self._sure: set[Question] = set()
        self.observers = _SureObservers(world, self)
        self.symmetry = Symmetry(self)

    def starts(self, process: int) -> tuple[Move, ...]:
        return self._sure_of(("start", process, 0))

    def own(self, process: int, local: int) -> tuple[Move, ...]:
        return self._sure_of(("own", process, local))

    def hear(self, process: int, local: int) -> tuple[Move, ...]:
        return self._sure_of(("hear", process, local))

    def take(self, envelope: int, local: int) -> Move | None:
        return next(iter(self._sure_of(("take", envelope, local))), None)

    def crash(self, process: int, local: int) -> tuple[Move, ...]:
        return self._sure_of(("crash", process, local))

    def crash_taking(self, envelope: int, local: int) -> tuple[Move, ...]:
        return self._sure_of(("crash_taking", envelope, local))

    def intern(self, process: int, state: Local) -> int:
        return super().intern(process, settled(state))

    def _sure_of(self, question: Question) -> tuple[Move, ...]:
        answer = self._answer(question)
        self.be_sure(question)
        return answer

    def be_sure(self, question: Question) -> None:
        """Raise UsageError unless the answer commutes with every permutation."""
        todo = [question]
        while todo:
            asked = todo.pop()
            if asked in self._sure:
                continue
            self._sure.add(asked)
            for element in self.symmetry.generators:
                permutation = self.symmetry.at(element)
                renamed = self._rename(asked, permutation)
                if asked[0] == "see":
                    self._compare_views(asked, renamed, permutation)
                else:
                    self._compare(asked, renamed, permutation)
                todo.append(renamed)

    def _answer(self, question: Question) -> tuple[Move, ...]:
        kind, first, second = question
        match kind:
            case "start":
                return super().starts(first)
            case "own":
                return super().own(first, second)
            case "hear":
                return super().hear(first, second)
            case "crash":
                return super().crash(first, second)
            case "crash_taking":
                return super().crash_taking(first, second)
        move = super().take(first, second)
        return () if move is None else (move,)

    def _rename(self, question: Question, permutation: Permutation) -> Question:
        kind, first, second = question
        match kind:
            case "start":
                return kind, permutation.process[first], second
            case "own" | "hear" | "crash":
                return kind, permutation.process[first], permutation.local(first, second)
            case "see":
                return kind, permutation.observers(first), permutation.stated(second)
        process = self.target[first]
        return kind, permutation.envelope(first), permutation.local(process, second)

    def _process(self, question: Question) -> int:
        return self.target[question[1]] if "tak" in question[0] else question[1]

    def _compare(self, asked: Question, renamed: Question, permutation: Permutation) -> None:
        process = self._process(asked)
        expected = {}
        for move in self._answer(asked):
            local = permutation.local(process, move.local)
            sent = self._in_any_order(map(permutation.envelope, move.sent))
            stated = permutation.stated(move.stated)
            expected[local, sent, stated, move.crashes, move.idle] = move
        found = {
            (move.local, self._in_any_order(move.sent), move.stated, move.crashes, move.idle): move
            for move in self._answer(renamed)
        }
        if expected.keys() == found.keys():
            return
        missing = [move for key, move in expected.items() if key not in found]
        extra = [move for key, move in found.items() if key not in expected]
        here = self._line(process, asked, missing)
        there = self._line(self._process(renamed), renamed, extra)
        raise UsageError(
            f"{permutation}: where “{here}” can happen, “"
            f"{permutation.renaming.text(here)}” should when renamed, but it is “{there}”; "
            f"{NOT_ALIKE}"
        )

    def _compare_views(self, asked: Question, renamed: Question, permutation: Permutation) -> None:
        after = Observers.after(self.observers, *asked[1:])
        if permutation.observers(after) != Observers.after(self.observers, *renamed[1:]):
            facts = self.observers.stated[asked[2]]
            raise UsageError(
                f"{permutation}: observers do not see {brief(facts)} "
                f"as they see {brief(permutation.renaming.stated(facts))}; {NOT_ALIKE}"
            )

    def _in_any_order(self, sent: Iterable[int]) -> tuple[int, ...]:
        """What was sent, in the order of each link if that can be seen, but of links in none."""
        if self.queues:
            return tuple(sorted(sent, key=lambda envelope: self.envelopes[envelope][:2]))
        return tuple(sorted(sent))

    def _line(self, process: int, question: Question, moves: list[Move]) -> str:
        """The first of some moves as a person would read it."""
        if not moves:
            return "nothing"
        before = Local(self.boots[process])
        if question[0] != "start":
            before = self.locals[process][question[2]]
        happening = moves[0].happenings[0]
        after, effects, _ = self.happen(process, before, happening)
        known = None if isinstance(happening, Crash) else before.actor
        return describe(known, happening, after.actor, effects)


class _SureObservers(Observers):
    def __init__(self, world: World, model: SymmetricModel) -> None:
        super().__init__(world.observers)
        self._model = model

    def after(self, state: int, stated: int) -> int:
        if stated:
            self._model.be_sure(("see", state, stated))
        return super().after(state, stated)


class OrbitJudge(Judge):
    """Judges every member of the orbit of a state, so that properties need not be symmetric. The
    state is then named by its own name and by the permutation that leads to the member."""

    def __init__(self, model: SymmetricModel) -> None:
        super().__init__(model)
        self._symmetry = model.symmetry
        self._shown: set[Any] = set()

    def see(self, state: Any, locals: Locals, observers: int = 0) -> None:
        self._show(False, state, locals, observers)

    def rest(self, state: Any, locals: Locals, observers: int = 0) -> None:
        self._show(True, state, locals, observers)

    def _show(self, rests: bool, state: Any, locals: Locals, observers: int) -> None:
        """Judge all members of an orbit that differ in what can be seen of them."""
        judged = super().rest if rests else super().see
        todo = [(self._symmetry.identity, locals, observers)]
        while todo:
            element, locals, observers = todo.pop()
            if not self._is_new(rests, locals, observers):
                continue
            judged((state, element), locals, observers)
            for generator in self._symmetry.generators:
                image = self._symmetry.at(generator).states(locals, observers)
                todo.append((compose(generator, element), *image))

    def _is_new(self, rests: bool, locals: Locals, observers: int) -> bool:
        seen: Any = (locals, observers)
        if not (self.rest_reads_states if rests else self.reads_states):
            facts = self._model.facts
            seen = tuple([facts[process][local] for process, local in enumerate(locals)])
        known = len(self._shown)
        self._shown.add((rests, seen))
        return len(self._shown) > known
