"""What a new view begins with: a pure function of what enough replicas knew as they left the old.

Source: Castro and Liskov, TOCS 20(4) 2002, section 4.5 (the view change with MACs). Nothing here is
proved by a certificate: what is chosen is what so many replicas vouch for that one is correct.
Whoever counts otherwise (2f + 1 in place of f + 1 that list a checkpoint, or the 2f + 1 among those
that list it only) may find nothing to choose, for ever.
"""

from __future__ import annotations

from collections.abc import Mapping

from quorate.kernel import NodeId
from quorate.protocols.pbft.messages import NULL, Beginning, Group, Past, Vote

Pasts = Mapping[NodeId, Past]
"""S: what each replica that left for the new view knew."""


def choose(group: Group, pasts: Pasts) -> Beginning | None:
    """Where the new view begins; None while that is undecided, until more messages come.

    Those of all correct replicas together decide it.
    """
    start = checkpoint(group, pasts)
    if start is None:
        return None
    seqs = [seq for past in pasts.values() for seq, _ in past.prepared]
    chosen = []
    for seq in range(start[0] + 1, max(seqs, default=0) + 1):
        digest = request(group, pasts, seq)
        if digest is None:
            return None
        chosen.append(digest)
    while chosen and chosen[-1] == NULL:
        chosen.pop()
    return Beginning(*start, tuple(chosen))


def checkpoint(group: Group, pasts: Pasts) -> tuple[int, bytes] | None:
    """The highest one that f + 1 list, so that a correct replica has it, and that 2f + 1 have
    forgotten nothing above."""
    fit = []
    for listed in {each for past in pasts.values() for each in past.checkpoints}:
        have = frozenset(node for node, past in pasts.items() if listed in past.checkpoints)
        reach = frozenset(node for node, past in pasts.items() if past.stable <= listed[0])
        if group.weak.won(have) and group.strong.won(reach):
            fit.append(listed)
    return max(fit, default=None)


def request(group: Group, pasts: Pasts, seq: int) -> bytes | None:
    """The digest for a sequence number; None while it is undecided."""
    reach = {node: past for node, past in pasts.items() if past.stable < seq}
    votes = {node: dict(past.prepared).get(seq) for node, past in pasts.items()}
    for vote in sorted({vote for vote in votes.values() if vote is not None}, reverse=True):
        # A1: 2f + 1 have prepared nothing else since.  A2: f + 1 pre-prepared it, one is correct.
        free = frozenset(node for node in reach if _allows(votes[node], vote))
        vouch = frozenset(node for node, past in pasts.items() if _vouches(past, seq, vote))
        if group.strong.won(free) and group.weak.won(vouch):
            return vote.digest
    # B: 2f + 1 have prepared nothing at all, so nothing was committed.
    nothing = frozenset(node for node in reach if votes[node] is None)
    return NULL if group.strong.won(nothing) else None


def _allows(mine: Vote | None, vote: Vote) -> bool:
    return mine is None or mine.view < vote.view or mine == vote


def _vouches(past: Past, seq: int, vote: Vote) -> bool:
    mine = (known for at, known in past.pre_prepared if at == seq)
    return any(known.digest == vote.digest and known.view >= vote.view for known in mine)


def is_well_formed(group: Group, past: Past) -> bool:
    """Whether a correct replica could have said this: every vote is of an earlier view and within
    the window, there is one prepared at a sequence number, and one pre-prepared for a digest."""
    top = past.stable + group.window
    votes = (*past.prepared, *past.pre_prepared)
    one_each: tuple[list[object], ...] = (
        [seq for seq, _ in past.checkpoints],
        [seq for seq, _ in past.prepared],
        [(seq, vote.digest) for seq, vote in past.pre_prepared],
    )
    return (
        all(past.stable < seq <= top and 0 <= vote.view < past.view for seq, vote in votes)
        and all(0 <= past.stable <= seq for seq, _ in past.checkpoints)
        and all(len(set(keys)) == len(keys) for keys in one_each)
    )
