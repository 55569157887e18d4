"""Networks that are graphs: which nodes are linked, and the shortest way from each to each.

Source: the lecture, "The network"; Dally and Towles, Principles and Practices of Interconnection
Networks, 2004, chapters 3 and 5 (torus and hypercube) and 14 (deadlock).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from quorate.kernel import NodeId, UsageError

FULL = "full"
Edge = tuple[int, int]


def _star(count: int) -> Iterable[Edge]:
    return ((0, node) for node in range(1, count))


def _line(count: int) -> Iterable[Edge]:
    return ((node, node + 1) for node in range(count - 1))


def _ring(count: int) -> Iterable[Edge]:
    return ((node, (node + 1) % count) for node in range(count))


def _tree(count: int) -> Iterable[Edge]:
    return (((node - 1) // 2, node) for node in range(1, count))


def _hypercube(count: int) -> Iterable[Edge]:
    if count & (count - 1):
        raise UsageError(f"a hypercube has 2, 4, 8 … nodes, and this world has {count}")
    bits = range(count.bit_length() - 1)
    return ((node, node ^ 1 << bit) for node in range(count) for bit in bits)


def _torus(count: int) -> Iterable[Edge]:
    rows = next(each for each in range(math.isqrt(count), 0, -1) if count % each == 0)
    if rows == 1 and count > 3:
        raise UsageError(
            f"a torus has rows and columns, and {count} nodes make only one row; use topology=ring"
        )
    columns = count // rows
    for node in range(count):
        row, column = divmod(node, columns)
        yield node, row * columns + (column + 1) % columns
        yield node, (row + 1) % rows * columns + column


GRAPHS: dict[str, Callable[[int], Iterable[Edge]]] = {
    "star": _star,
    "line": _line,
    "ring": _ring,
    "tree": _tree,
    "hypercube": _hypercube,
    "torus": _torus,
}


def is_topology(name: str) -> bool:
    """Whether this names a graph, or lists links as in n1-n2,n2-n3."""
    return name in GRAPHS or name == FULL or all(_ends(link) for link in name.split(","))


def neighbours(topology: str, names: Sequence[NodeId]) -> tuple[tuple[int, ...], ...]:
    """Of each node, by number, those linked to it, in order.

    Raises UsageError for a graph that these nodes cannot form, or that does not connect them.
    """
    count = len(names)
    if topology == FULL:
        return tuple(tuple(b for b in range(count) if b != a) for a in range(count))
    linked: list[set[int]] = [set() for _ in range(count)]
    for a, b in GRAPHS[topology](count) if topology in GRAPHS else _listed(topology, names):
        if a != b:
            linked[a].add(b)
            linked[b].add(a)
    graph = tuple(tuple(sorted(each)) for each in linked)
    away = [names[node] for node, hop in enumerate(_ways(graph, 0)) if hop is None]
    if away:
        raise UsageError(
            f"topology={topology} leaves {', '.join(away)} without a way to {names[0]}"
        )
    return graph


def routes(graph: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    """`routes(graph)[to][at]`: where a message for `to` goes next from `at`: along a shortest way,
    and of those to the neighbour with the lowest number."""
    return tuple(tuple(hop or 0 for hop in _ways(graph, to)) for to in range(len(graph)))


def _ways(graph: tuple[tuple[int, ...], ...], to: int) -> list[int | None]:
    far: list[int | None] = [None] * len(graph)
    far[to] = 0
    reached = [to]
    for node in reached:
        for other in graph[node]:
            if far[other] is None:
                far[other] = (far[node] or 0) + 1
                reached.append(other)

    def hop(node: int) -> int | None:
        if node == to or far[node] is None:
            return far[node]
        return min(graph[node], key=lambda other: (far[other] or 0, other))

    return [hop(node) for node in range(len(graph))]


def _listed(topology: str, names: Sequence[NodeId]) -> Iterable[Edge]:
    for link in topology.split(","):
        for end in _ends(link) or ():
            if end not in names:
                known = ", ".join(names)
                raise UsageError(f"topology={topology}: there is no node {end!r}; there is {known}")
        a, b = (names.index(end) for end in link.split("-"))
        yield a, b


def _ends(link: str) -> tuple[str, ...] | None:
    ends = tuple(link.split("-"))
    return ends if len(ends) == 2 and all(ends) else None
