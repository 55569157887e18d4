"""Exact symmetry: states that differ only in which of several interchangeable nodes is which.

Nodes that a world declares interchangeable may be permuted in a state: local states, messages,
facts and observers are renamed with them. States that can be permuted into each other form an
orbit, and a search need only go on from one of each. That is sound if every step commutes with
every permutation. It is never assumed: each step that a search uses is compared with its image
under each generator of the group, and so is each of those in turn, before the search uses it.

Canonical  Each block of names gets a signature, the sum of one weight for each component of a
           state (local state, message, observers): equal weights for components that a permutation
           fixing the block takes into each other. A permutation takes signatures along, so that
           the images of a state in which signatures ascend are the same for its whole orbit: the
           least of them stands for it. Blocks whose exchange leaves the state as it is need not be
           tried in both orders, since the images are equal.
Source     Clarke, Enders, Filkorn and Jha, Exploiting Symmetry in Temporal Logic Model Checking,
           FMSD 9(1/2) 1996; Ip and Dill, Better Verification Through Symmetry, FMSD 9(1/2) 1996.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product

from quorate.check.model import Model
from quorate.check.renaming import Lists, Renaming
from quorate.check.verdict import Locals
from quorate.kernel import Actor, NodeId, UsageError, brief, roles_of

Element = tuple[tuple[int, ...], ...]
"""A permutation: for each group, the place where each of its blocks goes."""

Component = tuple[int, int]
"""A part of a state by number: (process, local state), (ENVELOPE, envelope) or (OBSERVERS, …)."""

ENVELOPE, OBSERVERS = -1, -2
ORDER_MAX = 720  # of a group that an engine may try in full
NOT_ALIKE = (
    "what compares nodes by name, or goes through them in an order that shows, cannot be permuted; "
    "leave these nodes out of World.symmetry, or check without symmetry"
)


class Permutation:
    """One element of the group as tables over a model's numbers, filled when they are asked."""

    def __init__(self, model: Model, renaming: Renaming) -> None:
        self._model, self.renaming = model, renaming
        index = {boot.me: number for number, boot in enumerate(model.boots)}
        for boot in model.boots:
            if renaming(boot.me) not in index:
                raise UsageError(f"symmetry: there is no process {renaming(boot.me)}")
        self.process = tuple(index[renaming(boot.me)] for boot in model.boots)
        self._locals: list[dict[int, int]] = [{} for _ in model.boots]
        self._envelopes: dict[int, int] = {}
        self._observers: dict[int, int] = {}
        self._stated: dict[int, int] = {}

    def __str__(self) -> str:
        pairs = (f"{old}→{new}" for old, new in sorted(self.renaming.names.items()))
        return f"not symmetric under {', '.join(pairs)}"

    def local(self, process: int, local: int) -> int:
        """The local state, of the process that `process` becomes."""
        table = self._locals[process]
        if local not in table:
            renamed = self.renaming.local(self._model.locals[process][local])
            table[local] = self._model.intern(self.process[process], renamed)
        return table[local]

    def envelope(self, envelope: int) -> int:
        """The envelope that an envelope becomes."""
        if envelope not in self._envelopes:
            src, to, msg = self._model.envelopes[envelope]
            renamed = (self.renaming(src), self.renaming(to), self.renaming(msg))
            self._envelopes[envelope] = self._model.envelope(renamed)
        return self._envelopes[envelope]

    def observers(self, observers: int) -> int:
        """What the observers become."""
        if observers not in self._observers:
            known = self._model.observers
            renamed = {(one := self.renaming(old)).me: one for old in known.states[observers]}
            names = [one.me for one in known.states[0]]
            if set(names) != set(renamed):
                raise UsageError(f"symmetry: there are no observers {sorted(renamed)}")
            self._observers[observers] = known.intern(tuple(renamed[name] for name in names))
        return self._observers[observers]

    def stated(self, stated: int) -> int:
        """What was stated becomes this."""
        if stated not in self._stated:
            known = self._model.observers
            self._stated[stated] = known.number(self.renaming.stated(known.stated[stated]))
        return self._stated[stated]

    def states(self, locals: Locals, observers: int) -> tuple[Locals, int]:
        """The local states, by process, and the observers that some become."""
        renamed = [0] * len(locals)
        for process, local in enumerate(locals):
            renamed[self.process[process]] = self.local(process, local)
        return tuple(renamed), self.observers(observers)

    def component(self, component: Component) -> Component:
        """What a component becomes."""
        kind, number = component
        if kind == ENVELOPE:
            return kind, self.envelope(number)
        if kind == OBSERVERS:
            return kind, self.observers(number)
        return self.process[kind], self.local(kind, number)


class Symmetry:
    """The group of permutations that a world declares, acting on a model's numbers."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.groups = model.world.symmetry
        _refuse_bad_groups(self.groups)
        names = frozenset(name for group in self.groups for block in group for name in block)
        self._lists = Lists(model.world, names)
        self._known: dict[Element, Permutation] = {}
        self.identity: Element = tuple(tuple(range(len(group))) for group in self.groups)
        self.generators = tuple(self._generators())
        self.blocks = [(g, b) for g, group in enumerate(self.groups) for b in range(len(group))]
        self._weights: dict[Component, tuple[int, ...]] = {}
        self._orbits = 0
        for element in self.generators:
            self._refuse_unlike(self.at(element))

    def at(self, element: Element) -> Permutation:
        """The tables of an element."""
        found = self._known.get(element)
        if found is None:
            renamed = {
                old: new
                for group, places in zip(self.groups, element, strict=True)
                for block, place in zip(group, places, strict=True)
                for old, new in zip(block, group[place], strict=True)
            }
            found = self._known[element] = Permutation(self._model, Renaming(renamed, self._lists))
        return found

    def elements(self) -> Iterator[Element]:
        """The whole group."""
        yield from product(*(_arrangements([[b] for b in range(len(g))]) for g in self.groups))

    def weights(self, component: Component) -> tuple[int, ...]:
        """What a component adds to the signature of each block of `blocks`: 64 bits each."""
        found = self._weights.get(component)
        if found is None:
            self._weigh(component)
            found = self._weights[component]
        return found

    def sorting(
        self, signatures: Sequence[int], is_fixed_by: Callable[[Element], bool]
    ) -> Iterator[Element]:
        """Permutations that put ascending signatures in their places, without those that are sure
        to lead to the same; `is_fixed_by` says whether the state stays as it is."""
        per_group = []
        first = 0
        for number, group in enumerate(self.groups):
            mine = signatures[first : first + len(group)]
            first += len(group)
            classes: dict[int, list[int]] = {}
            for block in range(len(group)):
                classes.setdefault(mine[block], []).append(block)
            ways = [self._class_orders(number, classes[s], is_fixed_by) for s in sorted(classes)]
            per_group.append([_placed(sum(parts, ())) for parts in product(*ways)])
        yield from product(*per_group)

    def exchange(self, group: int, one: int, other: int) -> Element:
        """The element that exchanges two blocks of a group."""
        places = list(self.identity[group])
        places[one], places[other] = other, one
        return (*self.identity[:group], tuple(places), *self.identity[group + 1 :])

    def _class_orders(
        self, group: int, blocks: list[int], is_fixed_by: Callable[[Element], bool]
    ) -> list[tuple[int, ...]]:
        """The orders of blocks of equal signature that may lead to different images."""
        twins: list[list[int]] = []
        for block in blocks:
            for alike in twins:
                if is_fixed_by(self.exchange(group, alike[0], block)):
                    alike.append(block)
                    break
            else:
                twins.append([block])
        return list(_arrangements(twins))

    def _generators(self) -> Iterator[Element]:
        for number, group in enumerate(self.groups):
            if len(group) > 1:
                yield self.exchange(number, 0, 1)
            if len(group) > 2:
                cycle = (*range(1, len(group)), 0)
                yield (*self.identity[:number], cycle, *self.identity[number + 1 :])

    def _weigh(self, component: Component) -> None:
        """Weights of a component and of all that it can become: one for each orbit of pairs."""
        orbits: dict[tuple[Component, tuple[int, int]], int] = {}
        members = {component}
        for first in self.blocks:
            if (component, first) in orbits:
                continue
            self._orbits += 1
            orbits[component, first] = self._orbits
            todo = [(component, first)]
            while todo:
                part, (group, block) = todo.pop()
                for element in self.generators:
                    pair = (self.at(element).component(part), (group, element[group][block]))
                    if pair not in orbits:
                        orbits[pair] = self._orbits
                        members.add(pair[0])
                        todo.append(pair)
        for member in members:
            self._weights[member] = tuple(_weight(orbits[member, b]) for b in self.blocks)

    def _refuse_unlike(self, permutation: Permutation) -> None:
        """Boot images must be renamed into each other."""
        boots = self._model.boots
        for number, boot in enumerate(boots):
            target = boots[permutation.process[number]]
            renamed = permutation.renaming(boot)
            if renamed != target:
                raise UsageError(
                    f"{permutation}: {_difference(renamed, target)}; a block must name all that "
                    "travels together"
                )
            if self._model.crashable[number] != self._model.crashable[permutation.process[number]]:
                raise UsageError(f"{permutation}: only one of {boot.me} and {target.me} may crash")
        if permutation.observers(0) != 0:
            raise UsageError(f"{permutation}: the observers differ once renamed; {NOT_ALIKE}")


def order_of(groups: tuple[tuple[tuple[NodeId, ...], ...], ...]) -> int:
    """How many permutations there are."""
    return math.prod(math.factorial(len(group)) for group in groups)


def compose(second: Element, first: Element) -> Element:
    """The element that does what `first` does and then what `second` does."""
    return tuple(tuple(s[place] for place in f) for s, f in zip(second, first, strict=True))


def _refuse_bad_groups(groups: tuple[tuple[tuple[NodeId, ...], ...], ...]) -> None:
    if not groups:
        raise UsageError(
            "this world does not say which nodes are interchangeable: set World.symmetry"
        )
    names = [name for group in groups for block in group for name in block]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"symmetry: {twice[0]!r} is named twice")
    for group in groups:
        if len({len(block) for block in group}) > 1 or not all(group):
            raise UsageError(f"symmetry: the blocks of {group!r} must name equally many nodes")


def _difference(renamed: Actor, target: Actor) -> str:
    for one, other in zip(roles_of(renamed), roles_of(target), strict=False):
        for field in other.__struct_fields__:
            mine, theirs = getattr(one, field, None), getattr(other, field)
            if mine != theirs:
                return f"{other.me} begins with {field} {brief(theirs)}, not {brief(mine)}"
    return f"{target.me} is of another kind"


def _arrangements(twins: list[list[int]]) -> Iterator[tuple[int, ...]]:
    """Every order of all the blocks; those of one list stay in their order."""
    if not any(twins):
        yield ()
    for number, alike in enumerate(twins):
        if alike:
            rest = [*twins[:number], alike[1:], *twins[number + 1 :]]
            for order in _arrangements(rest):
                yield (alike[0], *order)


def _placed(order: tuple[int, ...]) -> tuple[int, ...]:
    """From the block at each place to the place of each block."""
    places = [0] * len(order)
    for place, block in enumerate(order):
        places[block] = place
    return tuple(places)


def _weight(orbit: int) -> int:
    """64 bits that look random, so that different sums are likely to differ."""
    return int.from_bytes(hashlib.blake2b(orbit.to_bytes(8), digest_size=8).digest())
