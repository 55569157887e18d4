"""Termination detection, the alternating bit and the connections of TCP: shared variables and
queues, after ewd840, SpecifyingSystems/TLC and tcp in tlaplus/Examples."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product

from conformance.board import Board, Way, explore, put
from pins import pin
from quorate.kernel import always

# Dijkstra, Feijen and van Gasteren, EWD 840: a token goes round until all are found idle.


class Termination(Board):
    active: tuple[bool, ...] = (True,) * 3
    black: tuple[bool, ...] = (True,) * 3
    token: int = 0
    token_black: bool = True

    def initial(self) -> Iterator[Way]:
        flags = list(product((True, False), repeat=3))
        for active, black, token in product(flags, flags, range(3)):
            yield f"{active} {black} {token}", {"active": active, "black": black, "token": token}

    def actions(self) -> Iterator[Way]:
        i = self.token
        whitened = put(self.black, i, False)
        if i == 0 and (self.token_black or self.black[0]):
            yield "probe", {"token": 2, "token_black": False, "black": whitened}
        if i > 0 and (not self.active[i] or self.black[i] or self.token_black):
            stained = self.token_black or self.black[i]
            yield "pass", {"token": i - 1, "token_black": stained, "black": whitened}
        for sender in range(3):
            if not self.active[sender]:
                continue
            yield f"{sender} rests", {"active": put(self.active, sender, False)}
            for to in range(3):
                if to != sender:
                    stained = put(self.black, sender, to > sender or self.black[sender])
                    woken = put(self.active, to, True)
                    yield f"{sender} wakes {to}", {"active": woken, "black": stained}

    def is_right(self) -> bool:
        """What is taken for termination is one."""
        seen = self.token == 0 and not self.token_black and not self.black[0]
        return not (seen and not self.active[0]) or not any(self.active)


def test_termination_is_detected_on_a_ring_of_three() -> None:
    right = always("right", lambda v: all(b.is_right() for b in v.roles(Termination)), states=True)
    result, found = explore(Termination("board"), right)
    assert result.exit_code == 0
    pin("EWD840, N = 3, published", found, distinct=302)
    # Published is 10, of a search by several workers, which do not wait at the end of a level.
    pin("EWD840, N = 3, level by level", found, depth=9)


# The alternating bit protocol, with two values and at most two messages on each line.


class AlternatingBit(Board):
    bit: int = 0
    acked: int = 0
    heard: int = 0
    sent: str = ""
    received: str = ""
    messages: tuple[tuple[int, str], ...] = ()
    acks: tuple[int, ...] = ()

    def initial(self) -> Iterator[Way]:
        for bit, sent, received in product((0, 1), "xy", "xy"):
            state = {"bit": bit, "acked": bit, "heard": bit, "sent": sent, "received": received}
            yield f"{bit} {sent} {received}", state

    def actions(self) -> Iterator[Way]:
        room, room_for_ack = len(self.messages) < 2, len(self.acks) < 2
        if self.acked == self.bit and room:
            new = 1 - self.bit
            for value in "xy":
                messages = (*self.messages, (new, value))
                yield f"send {value}", {"bit": new, "sent": value, "messages": messages}
        if self.acked != self.bit and room:
            yield "send again", {"messages": (*self.messages, (self.bit, self.sent))}
        if self.messages:
            (bit, value), *rest = self.messages
            yield "receive", {"heard": bit, "received": value, "messages": tuple(rest)}
        if room_for_ack:
            yield "acknowledge", {"acks": (*self.acks, self.heard)}
        if self.acks:
            yield "hear", {"acked": self.acks[0], "acks": self.acks[1:]}
        for line in ("messages", "acks"):
            queue = getattr(self, line)
            for i in range(len(queue)):
                yield f"lose {line} {i}", {line: (*queue[:i], *queue[i + 1 :])}

    def is_right(self) -> bool:
        """Once a value is acknowledged, it was received."""
        return not self.begun or self.acked != self.bit or self.heard == self.bit


def test_the_alternating_bit_with_two_messages_on_a_line() -> None:
    right = always(
        "right", lambda v: all(b.is_right() for b in v.roles(AlternatingBit)), states=True
    )
    result, found = explore(AlternatingBit("board"), right)
    assert result.exit_code == 0
    pin("MCAlternatingBit, published", found, distinct=240, depth=10)


# RFC 9293, figure 5: how two peers open and close a connection.

Rule = tuple[str, str, str]
TAKES: dict[tuple[str, str], tuple[str, str | None]] = {
    ("SYN-SENT", "SYN"): ("SYN-RECEIVED", "SYN,ACK"),
    ("SYN-SENT", "SYN,ACK"): ("ESTABLISHED", "ACK"),
    ("SYN-RECEIVED", "RST"): ("LISTEN", None),
    ("SYN-RECEIVED", "ACK"): ("ESTABLISHED", None),
    ("LISTEN", "SYN"): ("SYN-RECEIVED", "SYN,ACK"),
    ("ESTABLISHED", "FIN"): ("CLOSE-WAIT", "ACK of FIN"),
    ("FIN-WAIT-1", "FIN"): ("CLOSING", "ACK of FIN"),
    ("FIN-WAIT-1", "ACK of FIN"): ("FIN-WAIT-2", None),
    ("FIN-WAIT-2", "FIN"): ("TIME-WAIT", "ACK of FIN"),
    ("CLOSING", "ACK of FIN"): ("TIME-WAIT", None),
    ("LAST-ACK", "ACK of FIN"): ("CLOSED", None),
}
CLOSES: dict[str, tuple[str, str | None]] = {
    "SYN-SENT": ("CLOSED", None),
    "SYN-RECEIVED": ("FIN-WAIT-1", "FIN"),
    "LISTEN": ("CLOSED", None),
    "ESTABLISHED": ("FIN-WAIT-1", "FIN"),
    "CLOSE-WAIT": ("LAST-ACK", "FIN"),
}
DELETES = ("SYN-SENT", "LISTEN")  # closing there forgets the connection


class Tcp(Board):
    """By peer: whether it keeps a record of the connection, its state, and its inbox."""

    records: tuple[bool, ...] = (True, True)
    states: tuple[str, ...] = ("LISTEN", "LISTEN")
    inboxes: tuple[tuple[str, ...], ...] = ((), ())

    def initial(self) -> Iterator[Way]:
        for opener in (0, 1):
            states = put(self.states, opener, "SYN-SENT")
            inboxes = put(self.inboxes, 1 - opener, ("SYN",))
            yield f"{opener} opened", {"states": states, "inboxes": inboxes}

    def actions(self) -> Iterator[Way]:
        for me in (0, 1):
            for name, state, taken, sent, record in self.of(me):
                inboxes = put(self.inboxes, me, self.inboxes[me][taken:])
                if sent is not None:
                    inboxes = put(inboxes, 1 - me, (*inboxes[1 - me], sent))
                # The bound of the published run: no message is behind another of its kind.
                if all(a != b for inbox in inboxes for a, b in pairwise(inbox)):
                    yield (
                        f"{me} {name}",
                        {
                            "records": put(self.records, me, record),
                            "states": put(self.states, me, state),
                            "inboxes": inboxes,
                        },
                    )

    def of(self, me: int) -> Iterator[tuple[str, str, int, str | None, bool]]:
        """Of one peer: a name, the next state, how much it takes, what it sends, its record."""
        state, inbox, record = self.states[me], self.inboxes[me], self.records[me]
        if state in CLOSES:
            after, sent = CLOSES[state]
            yield "closes", after, 0, sent, record and state not in DELETES
        if inbox and (state, inbox[0]) in TAKES:
            after, sent = TAKES[state, inbox[0]]
            yield f"takes {inbox[0]}", after, 1, sent, record
        if state == "FIN-WAIT-1" and inbox[:2] == ("FIN", "ACK of FIN"):
            yield "takes two", "TIME-WAIT", 2, "ACK of FIN", record
        if state == "TIME-WAIT" and record:
            yield "has waited", "CLOSED", 0, None, False
        if record:
            yield "resets", "TIME-WAIT", 0, "RST", record
        if inbox[:1] == ("RST",):
            yield "is reset", "LISTEN", 1, None, record
            yield "is closed", "CLOSED", 1, None, record

    def is_right(self) -> bool:
        """With nothing under way, either both have a connection or neither."""
        return any(self.inboxes) or self.states.count("ESTABLISHED") != 1


def test_tcp_with_one_active_open() -> None:
    right = always("right", lambda v: all(b.is_right() for b in v.roles(Tcp)), states=True)
    result, found = explore(Tcp("board"), right)
    assert result.exit_code == 0
    pin("MCtcp, published", found, distinct=1_182, depth=14)
