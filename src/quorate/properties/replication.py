"""Replicated services that tolerate traitors: what correct replicas and their clients may count on.

Source: Castro and Liskov, Practical Byzantine Fault Tolerance, OSDI 1999, section 3; Schneider,
Implementing Fault-Tolerant Services Using the State Machine Approach, 1990.
"""

from __future__ import annotations

from collections.abc import Hashable

from quorate.kernel import Fact, NodeId, Request, View, always, eventually, sometimes


class Requested(Request, frozen=True):
    """This client wants `op` done, once, under this timestamp."""

    client: NodeId
    timestamp: int
    op: bytes


class Prepared(Fact, frozen=True):
    """This replica has seen a quorum accept `digest` at `seq` in `view`."""

    view: int
    seq: int
    digest: bytes


class Committed(Fact, frozen=True):
    """This replica has executed the requests of `digest` at `seq`, by what it saw in `view`;
    so many nodes may be faulty."""

    view: int
    seq: int
    digest: bytes
    faults: int


class Performed(Fact, frozen=True):
    """This replica has executed an operation, with this result."""

    client: NodeId
    timestamp: int
    op: bytes
    result: bytes


class Accepted(Fact, frozen=True):
    """This client takes it that its operation had this result."""

    client: NodeId
    timestamp: int
    result: bytes


def _seq(fact: Fact) -> Hashable:
    return fact.seq if type(fact) is Prepared or type(fact) is Committed else None


def _operation(fact: Fact) -> Hashable:
    if type(fact) is Performed or type(fact) is Accepted:
        return fact.client, fact.timestamp
    return None


def _client(fact: Fact) -> Hashable:
    return fact.client if type(fact) is Performed or type(fact) is Requested else None


def _place(fact: Fact) -> Hashable:
    return fact.result if type(fact) is Performed else None


def _one_digest(view: View) -> bool:
    return len({fact.digest for _, fact in view.stated(Committed)}) < 2


def _one_performance(view: View) -> bool:
    return len({fact for _, fact in view.stated(Performed)}) < 2


def _requested(view: View) -> bool:
    asked = {(fact.timestamp, fact.op) for _, fact in view.stated(Requested)}
    # A client that states nothing is no correct one, and what it wants is up to it.
    return not asked or all((f.timestamp, f.op) in asked for _, f in view.stated(Performed))


def _performed(view: View) -> bool:
    results = {fact.result for _, fact in view.stated(Performed)}
    return all(fact.result in results for _, fact in view.stated(Accepted))


def _prepared(view: View) -> bool:
    votes = view.stated(Prepared)
    return all(
        len({n for n, vote in votes if (vote.view, vote.digest) == (fact.view, fact.digest)})
        > fact.faults
        for _, fact in view.stated(Committed)
    )


def _all_accepted(view: View) -> bool:
    asked = {(fact.client, fact.timestamp) for _, fact in view.stated(Requested)}
    told = {(fact.client, fact.timestamp) for _, fact in view.stated(Accepted)}
    return bool(asked) and asked <= told


replica_agreement = always("replica agreement", _one_digest, per=_seq, nodes=False)
"""No two correct replicas execute different requests at one sequence number."""

exactly_once = always("exactly once", _one_performance, per=_operation, nodes=False)
"""An operation is executed once: with one result, wherever and however often it was asked for."""

one_order = always("one order", _one_performance, per=_place, nodes=False)
"""No two operations have one place in the order of execution, which is what the service returns."""

request_validity = always("request validity", _requested, per=_client, nodes=False)
"""What is executed for a correct client is what that client asked for."""

true_results = always("true results", _performed, per=_operation, nodes=False)
"""A correct client accepts only what some correct replica has executed."""

prepared_first = always("prepared before it is committed", _prepared, per=_seq)
"""What one correct replica has committed, f + 1 correct ones have prepared: it outlives views."""

result_accepted = sometimes("a result is accepted", lambda view: any(view.stated(Accepted)))
"""The check that a world is not empty."""

request_committed = sometimes("a request is committed", lambda view: any(view.stated(Committed)))
"""The same, where no client is a correct one."""

replica_progress = eventually("every request has its result", _all_accepted)
"""Once messages arrive in bounded time, every request of a correct client is answered."""
