"""Atomic commit: what it means to end a transaction everywhere in the same way.

Source: Bernstein, Hadzilacos and Goodman, Concurrency Control and Recovery in Database Systems,
1987, section 7.3, whose conditions AC1 to AC5 these are.
"""

from __future__ import annotations

import enum

from quorate.kernel import Fact, NodeId, Request, View, always, at_rest, eventually, sometimes


class Outcome(enum.Enum):
    """How a transaction may end."""

    COMMITTED = "committed"
    ABORTED = "aborted"


class Began(Request, frozen=True):
    """A transaction is to end in the same way for each of these participants."""

    participants: frozenset[NodeId]


class Prepared(Fact, frozen=True):
    """This participant can commit and can abort, and leaves it to others which."""


class Released(Fact, frozen=True):
    """This participant has changed nothing, and however it ends is the same to it; it has `voted`
    for that, or else given up before."""

    voted: bool


class Forgotten(Fact, frozen=True):
    """This coordinator needs no record of the transaction any more."""


class Decided(Fact, frozen=True):
    """For this node the transaction has ended, for good."""

    outcome: Outcome


def _decisions(view: View) -> set[tuple[NodeId, Outcome]]:
    return {(node, fact.outcome) for node, fact in view.stated(Decided)}


def _participants(view: View) -> set[NodeId]:
    return {node for _, fact in view.stated(Began) for node in fact.participants}


def _agree(view: View) -> bool:
    decisions = _decisions(view)
    return not any(a != b and one is not two for a, one in decisions for b, two in decisions)


def _keep(view: View) -> bool:
    decisions = _decisions(view)
    return len(decisions) == len({node for node, _ in decisions})


def _unanimous(view: View) -> bool:
    prepared = {node for node, _ in view.stated(Prepared)}
    readers = {node for node, fact in view.stated(Released) if fact.voted}
    return not _committed(view) or _participants(view) <= prepared | readers


def _committed(view: View) -> bool:
    return any(outcome is Outcome.COMMITTED for _, outcome in _decisions(view))


def _free(view: View) -> bool:
    live = _participants(view) & set(view.actors)
    readers = {node for node, _ in view.stated(Released)}
    return live <= readers | {node for node, _ in _decisions(view)}


def _informed(view: View) -> bool:
    live = _participants(view) & set(view.actors)
    return _free(view) or not live & {node for node, _ in _decisions(view)}


def _ended(view: View) -> bool:
    return any(view.stated(Began)) and _free(view)


def ending(view: View) -> str:
    """How a run ended: it "commits" or "aborts", or it "blocks" a participant that still runs and
    does not know, or it is "inconsistent", whichever of AC1 to AC3 it breaks."""
    if not (_agree(view) and _keep(view) and _unanimous(view)):
        return "inconsistent"
    if not _free(view):
        return "blocks"
    return "commits" if _committed(view) else "aborts"


agreement = always("AC1 agreement", _agree)
"""No two nodes decide differently, whatever happens to them afterwards (uniform agreement)."""

stability = always("AC2 stability", _keep)
"""No node reverses its decision."""

unanimity = always("AC3 unanimity", _unanimous)
"""A transaction commits only if every participant has been prepared."""

nontriviality = sometimes("AC4 commit is reachable", _committed)
"""Some run commits. AC4 asks it of each run without failures in which all are prepared; to a node
that waits, a failure and a slow message look alike, so here it is asked that one such run does."""

termination = eventually("AC5 termination", _ended, states=True)
"""Once failures have been repaired, every participant that is there decides."""

forgetting = eventually("the coordinator forgets", lambda view: bool(view.stated(Forgotten)))
"""Once failures have been repaired, no record of the transaction has to be kept."""

nonblocking = at_rest("no participant is blocked", _free, states=True)
"""Every participant that still runs decides, although others have stopped for good."""

informed = at_rest("no participant waits for what another knows", _informed, states=True)
"""Of the participants that still run either all have decided or none has."""

CONDITIONS = (agreement, stability, unanimity, nontriviality, termination)
"""AC1 to AC5."""
