"""The cost table, against runs that are written down by hand: who sends what to whom, after what.

Each enumerator below follows the prose of its paper and counts; none knows a formula.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache

import pytest

from meta.source import ROOT, script
from quorate.protocols import find
from quorate.sim.quiet import Row, cost_rows, size_rows

At = tuple[int, int]
"""Where a chain has arrived: so many message delays and so many write delays after the start."""

Figures = tuple[int, int, int, int]
"""Messages, delays, forced writes, write delays."""

COMMIT = ("two_phase_commit", "three_phase_commit", "replicated_commit", "paxos_commit")


class Ledger:
    """A run, as it is written down. Nodes have names; within one, a message costs nothing."""

    def __init__(self) -> None:
        self.messages = self.writes = 0

    def send(self, src: str, to: str, at: At) -> At:
        if src == to:
            return at
        self.messages += 1
        return at[0] + 1, at[1]

    def write(self, at: At) -> At:
        self.writes += 1
        return at[0], at[1] + 1

    def close(self, ends: list[At]) -> Figures:
        delays, writes = latest(ends)
        return self.messages, delays, self.writes, writes


def latest(ends: list[At]) -> At:
    """When the last of several chains has arrived."""
    return max(delays for delays, _ in ends), max(writes for _, writes in ends)


def prepare(ledger: Ledger, rms: list[str], tm: str, begun: At | None) -> list[At]:
    """When each participant has written that it is prepared; `begun`: the first one is, and has
    told the coordinator, which asks the others. None: nobody has to be asked."""
    if begun is None:
        return [ledger.write((0, 0)) for _ in rms]
    return [ledger.write(ledger.send(tm, rm, begun)) for rm in rms[1:]]


def votes(ledger: Ledger, rms: list[str], tm: str, spontaneous: bool) -> At:
    """When the coordinator of a two-phase commit has heard from all that they are prepared."""
    if spontaneous:
        prepared = prepare(ledger, rms, tm, None)
        return latest([ledger.send(rm, tm, at) for rm, at in zip(rms, prepared, strict=True)])
    told = ledger.send(rms[0], tm, ledger.write((0, 0)))
    prepared = prepare(ledger, rms, tm, told)
    others = [ledger.send(rm, tm, at) for rm, at in zip(rms[1:], prepared, strict=True)]
    return latest([told, *others])


def two_phase_commit(n: int, colocated: bool, spontaneous: bool = False) -> Figures:
    """Gray and Lamport, TODS 31(1) 2006, section 3."""
    ledger, rms = Ledger(), [f"rm{i}" for i in range(n)]
    tm = rms[0] if colocated else "tm"
    decided = ledger.write(votes(ledger, rms, tm, spontaneous))
    return ledger.close([ledger.send(tm, rm, decided) for rm in rms])


def three_phase_commit(n: int, colocated: bool, spontaneous: bool = False) -> Figures:
    """Skeen, SIGMOD 1981: the same with a phase between, which all write."""
    ledger, rms = Ledger(), [f"rm{i}" for i in range(n)]
    tm = rms[0] if colocated else "tm"
    told = ledger.write(votes(ledger, rms, tm, spontaneous))
    acks = [ledger.send(rm, tm, ledger.write(ledger.send(tm, rm, told))) for rm in rms]
    decided = ledger.write(latest(acks))
    return ledger.close([ledger.send(tm, rm, decided) for rm in rms])


def replicated_commit(n: int, f: int, colocated: bool, spontaneous: bool = False) -> Figures:
    """The same with f + 1 acceptors, one of them the coordinator's own, that all write what it
    decides; the slowest of them lets it go on."""
    ledger, rms = Ledger(), [f"rm{i}" for i in range(n)]
    tm = rms[0] if colocated else "tm"
    decided = votes(ledger, rms, tm, spontaneous)
    written = [ledger.write(decided)]
    written += [
        ledger.send(acceptor, tm, ledger.write(ledger.send(tm, acceptor, decided)))
        for acceptor in (f"acceptor{i}" for i in range(f))
    ]
    return ledger.close([ledger.send(tm, rm, latest(written)) for rm in rms])


def paxos_commit(
    n: int, f: int, colocated: bool, faster: bool, spontaneous: bool = False
) -> Figures:
    """Gray and Lamport, sections 4 and 5: f + 1 acceptors, of which the leader's node has one."""
    ledger, rms = Ledger(), [f"rm{i}" for i in range(n)]
    acceptors = [rms[i] if colocated and i < n else f"acceptor{i}" for i in range(f + 1)]
    leader = acceptors[0]
    heard: list[list[At]] = [[] for _ in acceptors]

    def vote(rm: str, at: At) -> None:
        for acceptor, inbox in zip(acceptors, heard, strict=True):
            inbox.append(ledger.send(rm, acceptor, at))

    if spontaneous:
        for rm, at in zip(rms, prepare(ledger, rms, leader, None), strict=True):
            vote(rm, at)
    else:
        vote(rms[0], ledger.write((0, 0)))
        begun = heard[0][0]  # that the leader is to have the others asked travels with its vote
        for rm, at in zip(rms[1:], prepare(ledger, rms, leader, begun), strict=True):
            vote(rm, at)
    voted = [ledger.write(latest(inbox)) for inbox in heard]
    pairs = list(zip(acceptors, voted, strict=True))
    if faster:
        return ledger.close([latest([ledger.send(a, rm, at) for a, at in pairs]) for rm in rms])
    chosen = latest([ledger.send(acceptor, leader, at) for acceptor, at in pairs])
    return ledger.close([ledger.send(leader, rm, chosen) for rm in rms])


def dynamic_paxos_commit(n: int, f: int, colocated: bool) -> Figures:
    """Gray and Lamport, section 6: the registrar, on the leader's node, has acceptors vote for the
    set. What it has the acceptor of a node vote for travels with what it asks of one who is there;
    if it is beside the first participant, both write at once."""
    ledger, rms = Ledger(), [f"rm{i}" for i in range(n)]
    acceptors = [rms[i] if colocated and i < n else f"acceptor{i}" for i in range(f + 1)]
    leader = acceptors[0]
    first = ledger.write((0, 0))
    heard = [[ledger.send(rms[0], acceptor, first)] for acceptor in acceptors]
    closed = ledger.write(heard[0][0])
    if colocated:
        closed = heard[0][0]
    asked = {rm: ledger.send(leader, rm, closed) for rm in rms[1:]}
    for acceptor, inbox in zip(acceptors, heard, strict=True):
        inbox.append(asked.get(acceptor) or ledger.send(leader, acceptor, closed))
    for rm, at in asked.items():
        prepared = ledger.write(at)
        for acceptor, inbox in zip(acceptors, heard, strict=True):
            inbox.append(ledger.send(rm, acceptor, prepared))
    voted = [ledger.write(latest(inbox)) for inbox in heard]
    told = [
        ledger.send(acceptor, leader, at) for acceptor, at in zip(acceptors, voted, strict=True)
    ]
    return ledger.close([ledger.send(leader, rm, latest(told)) for rm in rms])


def paxos(acceptors: int, learners: int) -> Figures:
    """Lamport, Paxos Made Simple, section 2.2, with a lone proposer, which tells the learners."""
    ledger, begun = Ledger(), (0, 0)
    begun = ledger.write(begun)
    agents = [f"a{i}" for i in range(acceptors)]
    for _ in ("prepare and promise", "accept and accepted"):
        asked = [(agent, ledger.send("p", agent, begun)) for agent in agents]
        begun = latest([ledger.send(agent, "p", ledger.write(at)) for agent, at in asked])
    return ledger.close([ledger.send("p", f"l{i}", begun) for i in range(learners)])


def multi_paxos(replicas: int) -> Figures:
    """Paxos Made Simple, section 3: a leader that has been promised every slot has one accepted."""
    ledger, nodes = Ledger(), [f"n{i}" for i in range(replicas)]
    asked = [(node, ledger.send("n0", node, (0, 0))) for node in nodes]
    return ledger.close([ledger.send(node, "n0", ledger.write(at)) for node, at in asked])


Key = tuple[str, int, int, bool, bool, str]
"""Protocol, participants, faults, co-located, faster, quantity."""


def enumerated() -> Iterator[tuple[Key, int]]:
    """Every figure of the commit protocols, 2 to 8 participants and 0 to 3 faults."""
    quantities = ("messages", "delays", "forced writes", "write delays")
    for n in range(2, 9):
        for colocated in (False, True):
            for faults in range(4):
                runs: list[tuple[str, bool, Figures, Figures]] = []
                if not faults:
                    for one in (two_phase_commit, three_phase_commit):
                        name = one.__name__
                        runs.append((name, False, one(n, colocated), one(n, colocated, True)))
                kept = replicated_commit(n, faults, colocated)
                unasked = replicated_commit(n, faults, colocated, True)
                runs.append(("replicated_commit", False, kept, unasked))
                for faster in (False, True):
                    shape = n, faults, colocated, faster
                    unasked = paxos_commit(*shape, spontaneous=True)
                    runs.append(("paxos_commit", faster, paxos_commit(*shape), unasked))
                for name, faster, run, unasked in runs:
                    key = name, n, faults, colocated, faster
                    for quantity, figure in zip(quantities, run, strict=True):
                        yield (*key, quantity), figure
                    yield (*key, "spontaneous write delays"), unasked[3]


@cache
def rows() -> tuple[Row, ...]:
    return tuple(row for name in COMMIT for row in cost_rows(find(name)))


def key_of(row: Row) -> Key:
    faster = bool(row.settings.get("faster"))
    return row.protocol, row.participants, row.faults, row.colocated, faster, row.quantity


@pytest.mark.slow
def test_every_figure_of_every_commit_protocol_is_what_a_run_by_hand_comes_to() -> None:
    by_hand = dict(enumerated())
    assert len(rows()) == len(by_hand) == 5 * 2 * 7 * (2 + 3 * 4)
    assert {key_of(row): row.measured for row in rows()} == by_hand
    assert {key_of(row): row.formula for row in rows()} == by_hand


PAPER = {
    # By participants n and faults f; all but one from Gray and Lamport, sections 3 to 5.
    ("two_phase_commit", False, False): lambda n, f: (3 * n - 1, 4, n + 1, 3, 2),
    ("two_phase_commit", True, False): lambda n, f: (3 * n - 3, 3, n + 1, 3, 2),
    ("replicated_commit", False, False): lambda n, f: (
        3 * n - 1 + 2 * f, 6 if f else 4, n + f + 1, 3, 2,
    ),
    ("replicated_commit", True, False): lambda n, f: (
        3 * n - 3 + 2 * f, 5 if f else 3, n + f + 1, 3, 2,
    ),
    ("paxos_commit", False, False): lambda n, f: (
        (n + 1) * (f + 3) - 4, 5 if f else 4, n + f + 1, 3, 2,
    ),
    ("paxos_commit", True, False): lambda n, f: (
        n * (f + 3) - 3, 4 if f else 3, n + f + 1, 3, 2,
    ),
    ("paxos_commit", False, True): lambda n, f: (n * (2 * f + 3) - 1, 4, n + f + 1, 3, 2),
    ("paxos_commit", True, True): lambda n, f: ((n - 1) * (2 * f + 3), 3, n + f + 1, 3, 2),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("shape", PAPER, ids=str)
def test_formulas_are_the_papers_but_in_sizes_that_are_marked(
    shape: tuple[str, bool, bool],
) -> None:
    names = ("messages", "delays", "forced writes", "write delays", "spontaneous write delays")
    marked = set()
    for row in rows():
        if key_of(row)[0] != shape[0] or (row.colocated, key_of(row)[4]) != shape[1:]:
            continue
        paper = PAPER[shape](row.participants, row.faults)[names.index(row.quantity)]
        assert row.formula - row.exception == paper
        if row.exception:
            marked.add((row.participants, row.faults, row.quantity))
    # An acceptor that no participant is beside costs messages; where there is exactly one for each
    # of two participants, Paxos Commit is as fast as the faster one.
    alone = {(2, 2, "messages"), (2, 3, "messages"), (3, 3, "messages")}
    if shape == ("paxos_commit", True, False):
        assert marked == alone | {(2, 1, "delays")}
    else:
        assert marked == (alone if shape == ("paxos_commit", True, True) else set())


def figures(protocol: str, **settings: object) -> Figures:
    found = {row.quantity: row.measured for row in size_rows(find(protocol), settings)}
    names = ("messages", "delays", "forced writes", "write delays")
    return tuple(found[name] for name in names)  # type: ignore[return-value]


def test_five_participants_beside_acceptors_take_12_17_and_20_messages() -> None:
    five = {"participants": 5, "colocated": True}
    assert figures("two_phase_commit", **five)[0] == 12
    assert figures("paxos_commit", **five, faults=1, faster=False)[0] == 17
    assert figures("paxos_commit", **five, faults=1, faster=True)[0] == 20


@pytest.mark.parametrize(
    ("n", "f", "two", "three", "kept", "paxos", "faster"),
    [
        (2, 1, (5, 4, 3), (9, 6, 6), (7, 6, 4), (8, 5, 4), (9, 4, 4)),
        (3, 1, (8, 4, 4), (14, 6, 8), (10, 6, 5), (12, 5, 5), (14, 4, 5)),
        (5, 1, (14, 4, 6), (24, 6, 12), (16, 6, 7), (20, 5, 7), (24, 4, 7)),
        (5, 2, (14, 4, 6), (24, 6, 12), (18, 6, 8), (26, 5, 8), (34, 4, 8)),
        (10, 1, (29, 4, 11), (49, 6, 22), (31, 6, 12), (40, 5, 12), (49, 4, 12)),
        (10, 2, (29, 4, 11), (49, 6, 22), (33, 6, 13), (51, 5, 13), (69, 4, 13)),
    ],
)
def test_messages_delays_and_writes_of_some_sizes(
    n: int, f: int, two: object, three: object, kept: object, paxos: object, faster: object
) -> None:
    apart = {"participants": n, "colocated": False}
    assert figures("two_phase_commit", **apart)[:3] == two
    assert figures("three_phase_commit", **apart)[:3] == three
    assert figures("replicated_commit", **apart, faults=f)[:3] == kept
    assert figures("paxos_commit", **apart, faults=f, faster=False)[:3] == paxos
    assert figures("paxos_commit", **apart, faults=f, faster=True)[:3] == faster


@pytest.mark.slow
def test_a_commit_of_one_acceptor_is_two_phase_commit_cell_by_cell() -> None:
    def cells(name: str, faster: bool) -> dict[tuple[int, bool, str], int]:
        return {
            (row.participants, row.colocated, row.quantity): row.measured
            for row in rows()
            if key_of(row)[0] == name and row.faults == 0 and key_of(row)[4] is faster
        }

    two = cells("two_phase_commit", False)
    assert len(two) == 7 * 2 * 5
    assert cells("replicated_commit", False) == two
    assert cells("paxos_commit", False) == cells("paxos_commit", True) == two


@pytest.mark.parametrize("colocated", [False, True])
@pytest.mark.parametrize("faults", range(4))
@pytest.mark.parametrize("participants", range(2, 9))
def test_participants_that_join_cost_the_registrars_votes_and_its_write(
    participants: int, faults: int, colocated: bool
) -> None:
    shape = {"participants": participants, "faults": faults, "colocated": colocated}
    assert figures("dynamic_paxos_commit", **shape) == dynamic_paxos_commit(*shape.values())


@pytest.mark.parametrize("acceptors", range(1, 8))
@pytest.mark.parametrize("learners", [1, 2, 5])
def test_paxos_costs_what_the_paper_counts(acceptors: int, learners: int) -> None:
    assert figures("paxos", acceptors=acceptors, learners=learners) == paxos(acceptors, learners)


@pytest.mark.parametrize("replicas", [1, 2, 3, 5, 7])
def test_a_leader_of_multi_paxos_decides_a_value_in_one_round_trip(replicas: int) -> None:
    assert figures("multi_paxos", nodes=replicas) == multi_paxos(replicas)


@pytest.mark.slow
def test_the_file_of_results_is_what_is_measured_now() -> None:
    kept = json.loads((ROOT / "benchmarks" / "results" / "cost.json").read_text())["rows"]
    mine = [row for row in kept if row["protocol"] in COMMIT]
    names = ("protocol", "participants", "faults", "colocated", "quantity", "measured", "formula")
    assert sorted(tuple(row[name] for name in names) for row in mine) == sorted(
        tuple(getattr(row, name) for name in names) for row in rows()
    )


@pytest.mark.slow
def test_the_page_of_costs_is_up_to_date() -> None:
    page = (ROOT / "docs" / "reference" / "cost.md").read_text()
    assert page == script("docs").cost_page(), "make docs"
