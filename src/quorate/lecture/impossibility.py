"""The lecture's part on the impossibility of consensus in an asynchronous system."""

from __future__ import annotations

from quorate.check.flp import BLOCKS, DISAGREES, NEVER, flp
from quorate.check.stalling import stall
from quorate.kernel import Header
from quorate.lecture.claim import Claim, Finding
from quorate.protocols import build_world

FISCHER = "Fischer, Lynch and Paterson, Impossibility of Distributed Consensus, JACM 1985"
FLOODING = "flooding_consensus"


def horn(what: str, protocol: str, world: str, expected: str, **settings: int) -> Finding:
    """Which way a protocol fails to be safe, to outlive a stop and to decide, all three."""
    header = Header(protocol=protocol, world=world, settings=dict(settings), executor="check")
    worlds = {world: build_world(protocol, world, settings)}
    taken = flp(worlds, headers={world: header}).taken
    return Finding(
        what=what,
        expected=expected,
        found=taken.name if taken else "no horn",
        command=" ".join(
            [f"quorate flp {protocol} --world {world}"]
            + [f"--set {name}={value}" for name, value in settings.items()]
        ),
        trace=taken.trace if taken else None,
    )


def _bivalent(waits: int, expected: str) -> Finding:
    """From which votes of three a naive vote can decide either way, from 000 one by one to 111."""
    worlds = {
        votes: build_world(FLOODING, "patient", {"votes": votes, "waits": waits, "crashes": 0})
        for votes in ("000", "001", "011", "111")
    }
    return Finding(
        what=f"three nodes that wait for {waits} votes can decide either way from",
        expected=expected,
        found=", ".join(flp(worlds).bivalent) or "none",
        detail=f"of {', '.join(worlds)}",
        command=f"quorate flp {FLOODING} --world patient --set waits={waits} "
        f"--inputs votes={','.join(worlds)}",
    )


def _stalled(what: str, protocol: str, world: str, stages: int) -> Finding:
    """The adversary of the proof, against a protocol."""
    header = Header(protocol=protocol, world=world, executor="check")
    run = stall(build_world(protocol, world), stages, header=header)
    turns = min(count for count in run.turns.values() if count)
    return Finding(
        what=f"{what}: stages in which nobody decides, nobody fails, and nobody starves",
        expected=str(stages),
        found=str(run.stages),
        detail=f"{turns} turns or more to each that is owed something; it could decide "
        f"{' or '.join(map(str, run.decisions))} at first",
        command=f"quorate flp {protocol} --world {world} --stages {stages}",
        trace=run.trace,
    )


CLAIMS = (
    Claim(
        name="bivalent-initial-configurations",
        section="Fischer-Lynch-Patterson (1985)",
        says="Where no single node is indispensable, some beginning leaves the decision open.",
        source=f"{FISCHER}, lemma 2",
        protocols=(FLOODING,),
        show=lambda: (
            _bivalent(2, "011"),
            horn("and then nodes may disagree", FLOODING, "patient", DISAGREES, waits=2),
            _bivalent(3, "none"),
            horn("and then one that stops stops all", FLOODING, "patient", BLOCKS, waits=3),
        ),
    ),
    Claim(
        name="flp-takes-its-toll",
        section="Fischer-Lynch-Patterson (1985)",
        says="No protocol for asynchronous links is safe, outlives a stop and always decides.",
        source=FISCHER,
        protocols=("two_phase_commit", "paxos"),
        show=lambda: (
            horn("two-phase commit", "two_phase_commit", "small", BLOCKS),
            horn("Paxos, whose rivals lead for ever", "paxos", "duel", NEVER),
        ),
    ),
    Claim(
        name="an-undeciding-schedule",
        section="Fischer-Lynch-Patterson (1985)",
        says="A slow process can rise from the dead at exactly the wrong time, again and again.",
        source=f"{FISCHER}, lemma 3",
        protocols=("paxos", "chandra_toueg"),
        show=lambda: (
            _stalled("Paxos, with two that lead", "paxos", "duel", 30),
            _stalled("Chandra and Toueg, whose rounds go on", "chandra_toueg", "main", 90),
        ),
    ),
)
