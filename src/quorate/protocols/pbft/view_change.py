"""View changes of PBFT: replacing a primary without losing what may have been committed.

Source: Castro and Liskov, TOCS 20(4) 2002, section 4.5; which view to join and how long to wait:
section 4.5.1.
"""

from __future__ import annotations

from quorate.kernel import Context, Map, NodeId, Signed, Stable
from quorate.properties.replication import Prepared
from quorate.protocols.pbft.messages import (
    Beginning,
    NewView,
    Past,
    Status,
    ViewChange,
    ViewChangeAck,
    Vote,
    digest,
)
from quorate.protocols.pbft.new_view import Pasts, choose, is_well_formed
from quorate.protocols.pbft.normal import Orderer


class Replica(Orderer):
    """Executes requests in the order that the primary of its view proposes; replaces primaries."""

    ballots: Map[NodeId, ViewChange] = Map()  # of each replica, the latest
    acks: Map[tuple[NodeId, NodeId], Vote] = Map()  # by origin, of each replica its latest
    new_view: Stable[NewView | None] = None  # of this view, or of one that is to begin

    def on_start(self, ctx: Context, recovered: bool) -> None:
        last, snapshot = max(self.checkpoints.items())
        self.stand_at(ctx, snapshot, self.bodies.get(last) or b"")
        # What is on disk may never have been said.
        for seq, vote in self.prepared.sorted():
            ctx.output(Prepared(vote.view, seq, vote.digest))
        for done in self.state.latest:
            ctx.output(done)
        if self.group.resends:
            self.ask(ctx)
        if self.leaving:
            self.ballots = self.ballots.put(self.me, self.leaving)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "status":
            if self.leaving:
                ctx.broadcast(self.others, self.leaving)
            return self.ask(ctx)
        self.timing = False
        self.leave(ctx, self.view + 1)

    def leave(self, ctx: Context, view: int) -> None:
        """Vote in no view before `view`, and tell what was voted for until now."""
        if self.group.views_max and view > self.group.views_max:
            return ctx.ignore("no views left")
        self.view, self.new_view, self.doubtful = view, None, Map()
        self.attempts += 1
        self.leaving = ViewChange(self.group.seal(ctx, self.past()))
        self.ballots = self.ballots.put(self.me, self.leaving)
        ctx.cancel_timer("view")
        self.timing = False
        ctx.broadcast(self.others, self.leaving)
        self.consider(ctx)

    def past(self) -> Past:
        return Past(
            self.view,
            self.stable_seq,
            tuple((seq, digest(snapshot)) for seq, snapshot in self.checkpoints.sorted()),
            tuple(self.prepared.sorted()),
            tuple((seq, vote) for seq, votes in self.pre_prepared.sorted() for vote in votes),
        )

    def on_view_change(self, ctx: Context, src: NodeId, m: ViewChange) -> None:
        past = m.sealed.content
        if src not in self.group.nodes or m.sealed.author != src or not m.sealed.convinces(self.me):
            return ctx.ignore("not from a replica")
        if not is_well_formed(self.group, past):
            return ctx.ignore("not what a correct replica would say")
        known = self.ballots.get(src)
        if known is not None and known.sealed.content.view >= past.view:
            return ctx.ignore("left for this view or a later one already")
        self.ballots = self.ballots.put(src, m)
        self.acknowledge(ctx, self.group.primary(past.view), m)
        higher = {
            node: ballot.sealed.content.view
            for node, ballot in self.ballots.sorted()
            if ballot.sealed.content.view > self.view
        }
        # One of f + 1 is correct, and has a reason; to wait for a time-out of one's own is slower.
        if self.group.weak.won(frozenset(higher)):
            return self.leave(ctx, min(higher.values()))
        self.consider(ctx)

    def acknowledge(self, ctx: Context, to: NodeId, m: ViewChange) -> None:
        """Tell one replica that this one can tell who sent `m`, since that one may not be able to
        show it to others."""
        if isinstance(m.sealed, Signed) or to in (self.me, m.sealed.author):
            return
        past = m.sealed.content
        ctx.send(to, ViewChangeAck(past.view, m.sealed.author, digest(past)))

    def on_view_change_ack(self, ctx: Context, src: NodeId, m: ViewChangeAck) -> None:
        known = self.acks.get((m.origin, src))
        if not {src, m.origin} <= {*self.group.nodes}:
            return ctx.ignore("not a replica")
        if known is not None and known.view >= m.view:
            return ctx.ignore("acknowledged already")
        self.acks = self.acks.put((m.origin, src), Vote(m.view, m.digest))
        self.consider(ctx)

    def acking(self, m: ViewChange) -> frozenset[NodeId]:
        past, origin = m.sealed.content, m.sealed.author
        vote = Vote(past.view, digest(past))
        return frozenset(node for node in self.group.nodes if self.acks.get((origin, node)) == vote)

    # The new primary begins with what follows from what a quorum knew; the others check that.

    def consider(self, ctx: Context) -> None:
        """Begin the new view if that is possible by now."""
        self.enter_if_shown(ctx)
        if self.leaving is None:
            return
        views = {node: m.sealed.content.view for node, m in self.ballots.items()}
        # Its primary has given the view up: nobody will tell those that wait for it how it began.
        if views.get(self.group.primary(self.view), 0) > self.view:
            return self.leave(ctx, self.view + 1)
        # Also those that have gone on to a later view: what they said before may have been lost.
        if self.group.strong.won(frozenset(n for n, view in views.items() if view >= self.view)):
            self.start_timer(ctx)
        if self.group.primary(self.view) != self.me:
            return
        left = {n: m for n, m in self.ballots.items() if views[n] == self.view}
        shown = {n: m for n, m in left.items() if self.can_be_shown(m)}
        beginning = self.begin_with({n: m.sealed.content for n, m in shown.items()})
        if beginning is not None:
            votes = tuple(m for _, m in sorted(shown.items()))
            self.new_view = NewView(self.view, votes, beginning)
            ctx.broadcast(self.others, self.new_view)
            self.enter(ctx, beginning)

    def begin_with(self, pasts: Pasts) -> Beginning | None:
        return choose(self.group, pasts)

    def can_be_shown(self, m: ViewChange) -> bool:
        """Whether the others can come to see that its author said this: so a quorum could tell."""
        if isinstance(m.sealed, Signed) or m.sealed.author == self.me:
            return True
        return self.group.strong.won(self.acking(m) | {m.sealed.author, self.me})

    def on_new_view(self, ctx: Context, src: NodeId, m: NewView) -> None:
        lowest = self.view if self.leaving else self.view + 1
        if src != self.group.primary(m.view) or m.view < lowest:
            return ctx.ignore("not a view to enter")
        if self.group.views_max and m.view > self.group.views_max:
            return ctx.ignore("no views left")
        pasts = {vote.sealed.author: vote.sealed.content for vote in m.votes}
        if not (
            pasts.keys() <= {*self.group.nodes}
            and all(past.view == m.view for past in pasts.values())
            and all(is_well_formed(self.group, past) for past in pasts.values())
            and self.begin_with(pasts) == m.beginning
        ):
            return ctx.ignore("not what the view must begin with")
        self.new_view = m
        self.enter_if_shown(ctx)

    def enter_if_shown(self, ctx: Context) -> None:
        """Enter the new view once each vote for it is known to be its author's."""
        m = self.new_view
        if m is None or (m.view == self.view and not self.leaving):
            return
        primary = self.group.primary(m.view)
        for vote in m.votes:
            vouching = self.acking(vote) | {primary}
            if not (vote.sealed.convinces(self.me) or self.group.weak.won(vouching)):
                return
        self.view = m.view
        self.enter(ctx, m.beginning)

    def enter(self, ctx: Context, beginning: Beginning) -> None:
        self.leaving, self.beginning = None, beginning
        self.restart_timer(ctx)
        self.adopt(ctx)
        self.fetch(ctx)
        if self.leads:
            self.propose(ctx)

    def adopt(self, ctx: Context) -> None:
        """Vote for what the view began with, as far as the window reaches."""
        for seq, chosen in enumerate(self.beginning.digests, self.beginning.seq + 1):
            inside = self.stable_seq < seq <= self.stable_seq + self.group.window
            if inside and self.accepted(seq) is None:
                self.vote(ctx, seq, chosen)

    def moved(self, ctx: Context) -> None:
        if not self.leaving:
            self.adopt(ctx)
            if self.leads:
                self.propose(ctx)

    def on_status(self, ctx: Context, src: NodeId, m: Status) -> None:
        if src in self.group.nodes and (m.view, not m.waits) < (self.view, not self.leaving):
            if self.leaving:
                ctx.send(src, self.leaving)
            elif self.leads and self.new_view is not None:
                ctx.send(src, self.new_view)
        for _, ballot in self.ballots.sorted():
            if ballot.sealed.content.view in (m.view, self.view):
                self.acknowledge(ctx, src, ballot)
        Orderer.on_status(self, ctx, src, m)
