"""The lecture, runnable: each of its claims with the run that shows it, in the lecture's order."""

from __future__ import annotations

from quorate.lecture import (
    byzantine,
    commit,
    consensus,
    impossibility,
    paxos,
    paxos_commit,
    two_generals,
    variants,
)
from quorate.lecture.claim import Claim, Finding, verdict_of
from quorate.protocols import unknown

PARTS = (variants, impossibility, consensus, two_generals, commit, paxos, paxos_commit, byzantine)
"""One module for each part of the lecture, in its order; so are the claims in each."""


def claims() -> tuple[Claim, ...]:
    """Every claim, in the lecture's order."""
    return tuple(claim for part in PARTS for claim in part.CLAIMS)


def find_claim(name: str) -> Claim:
    """The claim of that name. Raises UsageError, with the names there are, for any other."""
    known = {claim.name: claim for claim in claims()}
    if name not in known:
        raise unknown("claim", name, known)
    return known[name]
