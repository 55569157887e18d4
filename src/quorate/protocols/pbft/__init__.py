"""PBFT: replicate a service so that it is right although some replicas, and any client, may lie.

Problem      the replicas execute the same operations in the same order, each operation once
Source       Castro and Liskov, Practical Byzantine Fault Tolerance, OSDI 1999, and with Proactive
             Recovery, TOCS 20(4) 2002, sections 4.1 to 4.6
Model        partially synchronous (safe without that); Byzantine, and correct replicas crash and
             recover; links lose, duplicate and reorder, and show who sends; n ≥ 3f + 1 replicas
Quorum       ⌈(n + f + 1)/2⌉ replicas, which is 2f + 1 of 3f + 1; f + 1 equal replies for a client
Roles
  Replica  executes requests in the order that the primary of its view proposes; replaces primaries
  Client   asks for operations, and believes a result that f + 1 replicas give
Messages
  Request        client → replica — do this for me, once
  PrePrepare     primary → backups — these requests are at this sequence number in my view
  Prepare        backup → replicas — I have accepted that, and nothing else there in this view
  Commit         replica → replicas — a quorum has accepted it: later views will know of it
  Reply          replica → client — it is done, with this result
  Checkpoint     replica → replicas — my state after this sequence number has this digest
  ViewChange     replica → replicas — I left for this view, with these checkpoints and votes
  ViewChangeAck  replica → new primary — I can tell whose view change this is
  NewView        new primary → backups — these view changes begin my view, and so it is to start
  Status         replica → replicas — I am only so far: what did I miss?
  Bodies         replica → replica — these are the requests of that digest
  Fetch          replica → replicas — I need the state after this sequence number
  State          replica → replica — that is this
  Wish           host → client — ask for this
  Executed       host → replica — I have done what was next, with these results
Stable
  Replica.view          or it would vote again in a view that it has left
  Replica.leaving       or it would say another thing of its past as it leaves for the same view
  Replica.beginning or it would accept what is not what its view began with
  Replica.pre_prepared  or it would accept two requests at one place, or not vouch for the first
  Replica.prepared      or a new view would not learn of a request that may be committed
  Replica.batches       or nobody might know the requests that a new view has to begin with
  Replica.checkpoints   or a quorum that let the log go might have no checkpoint in its place
  Replica.bodies        the same, for what the host's service stands at
  Replica.new_view      or its primary could not tell those that wait how the view began
Guarantees   replica_agreement, exactly_once, one_order, request_validity, true_results,
             prepared_first, result_accepted, replica_progress
Cost         for each request, until its client has the result: 2·nodes² - nodes + 1 messages,
             5 message delays, 2·nodes forced writes, 3 write delays
Deviations   quorums of ⌈(n + f + 1) / 2⌉ for every n; with signatures, view changes need no
             acknowledgement, and nothing else is signed but requests; view changes may be shown to
             others by the MAC that is for them; replicas ask for what they miss, instead of
             everything being said again; whole states are transferred; no tentative execution
"""

from __future__ import annotations

from quorate.kernel import Actor, Context, Map, Message, NodeId, Signed, World
from quorate.properties.cost import Cost
from quorate.properties.replication import (
    Accepted,
    Requested,
    exactly_once,
    one_order,
    prepared_first,
    replica_agreement,
    replica_progress,
    request_committed,
    request_validity,
    result_accepted,
    true_results,
)
from quorate.protocols.pbft.messages import (
    Commit,
    Group,
    Msg,
    Operation,
    Prepare,
    PrePrepare,
    Reply,
    Request,
    Wish,
    group_of,
    named,
)
from quorate.protocols.pbft.view_change import Replica

RETRY_MS = (300, 400)


class Client(Actor):
    """Asks for operations, one at a time, and believes a result that f + 1 replicas give."""

    group: Group
    count: int
    done: int = 0
    wanted: Operation | None = None
    view: int = 0
    replies: Map[NodeId, Reply] = Map()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.go_on(ctx)

    def go_on(self, ctx: Context) -> None:
        """Ask for the next of its own operations, if there is one."""
        if self.done < self.count:
            number = self.done + 1
            self.want(ctx, Operation(self.me, number, f"{self.me}.{number}".encode()))

    def on_wish(self, ctx: Context, src: NodeId, m: Wish) -> None:
        if src != self.me or self.wanted is not None or m.timestamp <= self.done:
            return ctx.ignore("not a wish of its host, one after the other")
        self.want(ctx, Operation(self.me, m.timestamp, m.op))

    def want(self, ctx: Context, wanted: Operation) -> None:
        self.wanted = wanted
        self.ask(ctx, wanted, (self.group.primary(self.view),))

    def on_timer(self, ctx: Context, timer: str) -> None:
        if self.wanted is not None:
            self.ask(ctx, self.wanted, self.group.nodes)

    def ask(self, ctx: Context, wanted: Operation, whom: tuple[NodeId, ...]) -> None:
        ctx.output(Requested(wanted.client, wanted.timestamp, wanted.op))
        ctx.broadcast(whom, Request(self.group.seal(ctx, wanted)))
        if self.group.resends:
            ctx.set_timer("retry", RETRY_MS)

    def on_reply(self, ctx: Context, src: NodeId, m: Reply) -> None:
        wanted = self.wanted
        if wanted is None or m.timestamp != wanted.timestamp or src not in self.group.nodes:
            return ctx.ignore("not a reply to the open request")
        self.replies = self.replies.put(src, m)
        same = {n: reply for n, reply in self.replies.items() if reply.result == m.result}
        if self.group.weak.won(frozenset(same)):
            ctx.output(Accepted(self.me, m.timestamp, m.result))
            self.view = min(reply.view for reply in same.values())
            self.done, self.wanted, self.replies = m.timestamp, None, Map()
            ctx.cancel_timer("retry")
            self.go_on(ctx)


PROPERTIES = (
    replica_agreement,
    exactly_once,
    one_order,
    request_validity,
    true_results,
    prepared_first,
    result_accepted,
    replica_progress,
)


def world(
    nodes: int = 4,
    clients: int = 2,
    operations: int = 4,
    signed: bool = False,
    interval: int = 2,
    window: int = 4,
    views: int = 0,
    resends: bool = True,
) -> World:
    """Replicas r1… and clients c1…, each of which asks for some operations, one after the other.

    `signed`, or MACs; a checkpoint every `interval` requests, the log as long as `window`.
    """
    group = group_of(nodes, signed, interval, window, views, resends)
    replicas = [Replica(name, group) for name in group.nodes]
    asking = [Client(f"c{i}", group, operations) for i in range(1, clients + 1)]
    bounds = (f"views 0 to {views}",) if views else ()
    return World(
        processes=(*replicas, *asking),
        properties=PROPERTIES,
        crashable=frozenset(group.nodes),
        bounds=bounds if resends else (*bounds, "nothing is said again"),
    )


def small(traitors: int = 1) -> World:
    """The primary and a client are traitors, who say whatever they can of two requests in view 0,
    and so is a backup if that is not enough; nobody loses patience. Explored to its end."""
    group = group_of(4, True, 2, 2, 1, False)
    replicas = [Replica(name, group, timing=True) for name in group.nodes]
    told: dict[NodeId, list[tuple[NodeId, Message]]] = {n: [] for n in group.nodes[:traitors]}
    for to in group.nodes[1:]:
        for op in (b"a", b"b"):
            batch = (Signed("c1", Operation("c1", 1, op)),)
            for name, messages in told.items():
                vote = Prepare(0, 1, named(batch))
                first = PrePrepare(0, 1, named(batch), batch) if name == group.nodes[0] else vote
                messages += [(to, first), (to, Commit(0, 1, named(batch)))]
    return World(
        processes=(*replicas, Client("c1", group, 1)),
        properties=(replica_agreement, exactly_once, one_order, prepared_first, request_committed),
        byzantine={**{name: tuple(messages) for name, messages in told.items()}, "c1": ()},
        bounds=("view 0 alone", "one sequence number"),
    )


def cost(nodes: int) -> Cost:
    """for each request, until its client has the result"""
    return Cost(
        messages=2 * nodes**2 - nodes + 1,
        delays=5,
        forced_writes=2 * nodes,
        write_delays=3,
    )


WORLDS = {"main": world, "small": small}
QUIET = {"clients": 1, "operations": 1}
