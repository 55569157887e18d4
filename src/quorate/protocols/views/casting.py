"""View-synchronous multicast within a view: who has what, and what may be handed up.

Source: Birman and Joseph, SOSP 1987, section 4; stability: Birman, Schiper and Stephenson, TOCS
9(3) 1991, section 7.
"""

from __future__ import annotations

from typing import Generic

from quorate.kernel import Actor, Ballot, Context, Map, NodeId
from quorate.properties.views import Installed, View
from quorate.protocols.views.messages import Ack, Alive, Data, Group, Held, P, S, Settled

BEAT_MS = (40, 60)


class Caster(Actor, Generic[P, S]):
    """Multicasts in the present view, and hands up what may be: a part of a member.

    `outbox`: what waits for a view that is open; `held`: what there is of each sender; `has`: how
    many multicasts of a sender a member is known to have; `settled`: how many of a sender all
    members are known to have; `passed`: how many of a sender have been handed up; `promised`: whose
    change of view this member waits for, if any: it is wedged.
    """

    group: Group
    view: View | None = None
    outbox: tuple[P, ...] = ()
    held: Map[NodeId, Held[P]] = Map()
    has: Map[tuple[NodeId, NodeId], int] = Map()
    settled: Map[NodeId, int] = Map()
    passed: Map[NodeId, int] = Map()
    promised: Ballot = Ballot()
    pumping: bool = False

    # What the protocol on top calls, and what it completes.

    def multicast(self, ctx: Context, payload: P) -> None:
        """To all members of the present view, itself included, in the order of these calls; what is
        said while there is no view, or a change of it, is sent in the next one."""
        self.outbox += (payload,)
        self.pump(ctx)

    def handed(self, ctx: Context, src: NodeId, payload: P) -> None:
        """`src` multicast this in the present view: once, and in the order of its multicasts."""
        raise NotImplementedError

    def installed(self, ctx: Context, view: View) -> None:
        """This node is a member of `view` from here on, and all that is to be handed up in the
        former view has been."""

    def state(self) -> S:
        """What a node that joins the present view has to know, as it is before that view begins."""
        raise NotImplementedError

    def adopt(self, ctx: Context, state: S) -> None:
        """This node joins, or joins anew, by the state that a member had; `installed` follows. What
        it knew until now does not count any more."""
        raise NotImplementedError

    # What goes on within a view.

    @property
    def is_wedged(self) -> bool:
        return self.promised != Ballot()

    @property
    def others(self) -> tuple[NodeId, ...]:
        assert self.view is not None
        return tuple(node for node in self.view.members if node != self.me)

    def enter(self, ctx: Context, view: View) -> None:
        """Begin a view, in which nobody has said anything yet."""
        self.view, self.promised = view, Ballot()
        self.held, self.has, self.settled, self.passed = Map(), Map(), Map(), Map()
        ctx.output(Installed(view))
        self.installed(ctx, view)
        self.pump(ctx)

    def is_open(self, ctx: Context, src: NodeId, number: int) -> bool:
        """Whether what `src` says of the view with this number counts; if not, that is said."""
        if self.view is None or self.view.number != number or src not in self.view.members:
            ctx.ignore("of another view")
        elif self.is_wedged:
            ctx.ignore("wedged: what is not here yet comes with the next view, or never")
        else:
            return True
        return False

    def pump(self, ctx: Context) -> None:
        """Send what waits and hand up what may be, unless a caller is about to do so."""
        if self.pumping or self.view is None or self.is_wedged:
            return
        self.pumping = True
        while self.send_next(ctx) or self.hand_next(ctx):
            pass
        self.pumping = False

    def send_next(self, ctx: Context) -> bool:
        if not self.outbox:
            return False
        payload, *rest = self.outbox
        self.outbox = tuple(rest)
        number = self.hold(self.me, payload)
        assert self.view is not None
        ctx.broadcast(self.others, Data(self.view.number, number, payload))
        self.settle(ctx, self.me)
        return True

    def hold(self, sender: NodeId, payload: P) -> int:
        """Keep the next multicast of a sender; its number."""
        held = self.held_of(sender)
        self.held = self.held.put(sender, Held(held.base, (*held.messages, payload)))
        for node in {self.me, sender}:
            self.note(node, sender, held.count + 1)
        return held.count + 1

    def held_of(self, sender: NodeId) -> Held[P]:
        return self.held.get(sender) or Held()

    def note(self, node: NodeId, sender: NodeId, count: int) -> None:
        """A member has so many multicasts of a sender."""
        if count > (self.has.get((node, sender)) or 0):
            self.has = self.has.put((node, sender), count)

    def on_data(self, ctx: Context, src: NodeId, m: Data[P]) -> None:
        if not self.is_open(ctx, src, m.view):
            return
        if m.number != self.held_of(src).count + 1:
            return ctx.ignore("not its turn")
        self.hold(src, m.payload)
        if self.group.uniform:
            whom = self.others if self.group.direct else (src,)
            ctx.broadcast(whom, Ack(m.view, src, m.number))
        self.settle(ctx, src)
        self.pump(ctx)

    def on_ack(self, ctx: Context, src: NodeId, m: Ack) -> None:
        if self.is_open(ctx, src, m.view):
            self.note(src, m.sender, m.number)
            self.settle(ctx, m.sender)
            self.pump(ctx)

    def on_settled(self, ctx: Context, src: NodeId, m: Settled) -> None:
        if self.is_open(ctx, src, m.view):
            self.settled = self.settled.put(src, max(m.number, self.settled.get(src) or 0))
            self.pump(ctx)

    def settle(self, ctx: Context, sender: NodeId) -> None:
        """See how many multicasts of a sender all members have by now; if it is this node, tell."""
        assert self.view is not None
        count = min(self.has.get((node, sender)) or 0 for node in self.view.members)
        if count <= (self.settled.get(sender) or 0):
            return
        self.settled = self.settled.put(sender, count)
        if sender == self.me and self.group.uniform and not self.group.direct:
            ctx.broadcast(self.others, Settled(self.view.number, count))
        self.trim(sender)

    def trim(self, sender: NodeId) -> None:
        """Let go of what all members have, and has been handed up here."""
        done = min(self.settled.get(sender) or 0, self.passed.get(sender) or 0)
        self.held = self.held.put(sender, self.held_of(sender).without(done))

    def hand_next(self, ctx: Context) -> bool:
        """Hand up one multicast, if one may be."""
        assert self.view is not None
        for sender in self.view.members:
            held, passed = self.held_of(sender), self.passed.get(sender) or 0
            if passed < (self.settled.get(sender) or 0 if self.group.uniform else held.count):
                self.hand_up(ctx, sender, held.messages[passed - held.base])
                return True
        return False

    def hand_up(self, ctx: Context, sender: NodeId, payload: P) -> None:
        self.passed = self.passed.put(sender, (self.passed.get(sender) or 0) + 1)
        self.trim(sender)
        self.handed(ctx, sender, payload)

    # Heartbeats: what was lost is said again.

    def beat(self, ctx: Context) -> None:
        """Tell the others what this member has, so that they know that it is there."""
        if self.view is not None:
            counts = tuple(self.held_of(sender).count for sender in self.view.members)
            ctx.broadcast(self.others, Alive(self.view.number, counts))
        ctx.set_timer("beat", BEAT_MS)

    def on_alive(self, ctx: Context, src: NodeId, m: Alive) -> None:
        if not self.is_open(ctx, src, m.view):
            return
        assert self.view is not None
        mine = self.held_of(self.me)
        for sender, count in zip(self.view.members, m.counts, strict=True):
            self.note(src, sender, count)
            self.settle(ctx, sender)
            if sender == self.me:
                for number in range(max(count, mine.base) + 1, mine.count + 1):
                    payload = mine.messages[number - mine.base - 1]
                    ctx.send(src, Data(m.view, number, payload))
        self.pump(ctx)
