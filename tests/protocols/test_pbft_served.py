"""PBFT with its host's service in place of the one built in: each executes the same, once."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest

from protocols.cast import Cast
from quorate.kernel import (
    Authenticated,
    Effect,
    Ignore,
    Message,
    NodeId,
    Output,
    Receive,
    Send,
    Timeout,
)
from quorate.properties.log import Installed
from quorate.properties.replication import Accepted, Committed
from quorate.protocols import build_world
from quorate.protocols.pbft.messages import (
    Checkpoint,
    Executed,
    Fetch,
    Operation,
    Ordered,
    Reply,
    Request,
    State,
    Wish,
    digest,
)
from quorate.protocols.pbft.view_change import Replica

NODES = ("r1", "r2", "r3", "r4")
NO = (Ignore("not what the host was asked for"),)


def served(clients: int = 0, **settings: Any) -> Any:
    world = build_world("pbft", settings={"clients": clients, "operations": 0, **settings})
    group = msgspec.structs.replace(world.processes[0].group, served=True)  # type: ignore[attr-defined]
    processes = tuple(msgspec.structs.replace(a, group=group) for a in world.processes)
    return msgspec.structs.replace(world, processes=processes)


class Hosts(Cast):
    """Each replica's host keeps a list of the operations that it was told to execute."""

    def __init__(self, clients: int = 0, **settings: Any) -> None:
        self.logs: dict[NodeId, list[str]] = {}
        self.asleep: set[NodeId] = set()
        self.asked: list[tuple[NodeId, Ordered]] = []
        super().__init__(served(clients, **settings))

    def take(self, name: NodeId, event: Any) -> tuple[Effect, ...]:
        effects = super().take(name, event)
        for effect in effects:
            fact = effect.fact if type(effect) is Output else None
            if type(fact) is Installed:
                self.logs[name] = json.loads(fact.state)
            elif type(fact) is Ordered:
                self.asked.append((name, fact))
                if name not in self.asleep:
                    self.say(name, name, self.execute(name, fact))
        return effects

    def execute(self, name: NodeId, fact: Ordered) -> Executed:
        log = self.logs.setdefault(name, [])
        results = []
        for it in fact.operations:
            log.append(it.op.decode())
            results.append(f"{len(log)} {it.op.decode()}".encode())
        body = json.dumps(log).encode() if fact.due else b""
        return Executed(fact.turn, tuple(results), body)

    def restart(self, name: NodeId) -> None:
        self.logs[name] = []
        super().restart(name)


def request(text: str, timestamp: int, client: NodeId = "c9") -> Request:
    return Request(Authenticated(client, Operation(client, timestamp, text.encode()), NODES))


def replies(effects: tuple[Effect, ...]) -> list[Reply]:
    found = [effect.msg for effect in effects if type(effect) is Send]
    return [msg for msg in found if type(msg) is Reply]


def after(*texts: str, lost: Any = lambda *_: False, **settings: Any) -> Hosts:
    """All four have executed these, one after the other."""
    table = Hosts(**settings)
    for number, text in enumerate(texts, 1):
        table.say("c9", "r1", request(text, number))
        table.run(lost)
    return table


def test_hosts_execute_in_order_and_clients_get_their_results() -> None:
    table = after("a", "b", "c")
    assert table.logs == {node: ["a", "b", "c"] for node in NODES}
    told = [m for _, to, m in table.sent if to == "c9"]
    assert sorted((m.timestamp, m.result) for m in told if type(m) is Reply) == sorted(
        [(1, b"1 a"), (2, b"2 b"), (3, b"3 c")] * 4
    )
    again = table.say("c9", "r2", request("c", 3))
    assert replies(again) == [Reply(0, 3, b"3 c")]
    assert table.logs["r2"] == ["a", "b", "c"]


def test_what_is_next_waits_until_the_host_has_done_what_was_before() -> None:
    table = Hosts()
    table.asleep.add("r2")
    for number, client in enumerate(("c8", "c9"), 1):
        table.say(client, "r1", request(str(number), 1, client))
        table.run()
    [(_, fact)] = [each for each in table.asked if each[0] == "r2"]
    assert table.actors["r2"].state.seq == 0
    table.asleep.clear()
    effects = table.say("r2", "r2", table.execute("r2", fact))
    assert replies(effects) == [Reply(0, 1, b"1 1")]
    assert table.logs["r2"] == ["1", "2"]


def test_only_the_host_says_what_was_executed_and_once() -> None:
    table = Hosts()
    table.asleep.add("r2")
    table.say("c9", "r1", request("a", 1))
    table.run()
    [(_, fact)] = [each for each in table.asked if each[0] == "r2"]
    done = table.execute("r2", fact)
    assert table.say("r3", "r2", done) == NO
    assert table.say("r2", "r2", Executed(fact.turn + 1, done.results, b"")) == NO
    assert replies(table.say("r2", "r2", done))
    assert table.say("r2", "r2", done) == NO


def test_a_checkpoint_is_of_what_the_host_stands_at() -> None:
    table = after("a", "b")
    for replica in table.actors.values():
        assert replica.stable_seq == 2
        assert replica.bodies.get(2) == b'["a", "b"]'
        assert replica.state.service == digest(b'["a", "b"]')
    table.asleep.update(NODES)
    for number, text in enumerate(("c", "d"), 3):
        table.say("c9", "r1", request(text, number))
        table.run()
        for name, fact in [each for each in table.asked if each[1].seq == number]:
            table.execute(name, fact)
            body = (b'["one"]' if name == "r3" else b'["other"]') if fact.due else b""
            table.say(name, name, Executed(fact.turn, (b"",), body))
    table.run()
    assert table.actors["r1"].stable_seq == 4
    assert table.actors["r3"].stable_seq == 2  # its own differs, and it is to take the others'
    table.ring("r3", "status")
    table.run()
    assert table.actors["r3"].bodies.get(4) == b'["other"]'


def test_a_state_comes_with_its_body_or_is_not_taken() -> None:
    table = after("a", "b", lost=lambda src, to, m: "r4" in (src, to))
    state = table.say("r4", "r1", Fetch(2))[0]
    assert isinstance(state, Send)
    assert isinstance(state.msg, State)
    for node in ("r1", "r2"):
        table.say(node, "r4", Checkpoint(2, digest(state.msg.snapshot)))
    no = (Ignore("not a state that is vouched for, or not a new one"),)
    for body in (b"", b'["a"]', state.msg.body + b" "):
        assert table.say("r3", "r4", State(state.msg.snapshot, body)) == no
    other = msgspec.structs.replace(state.msg.snapshot, service=digest(b'["a"]'))
    assert table.say("r3", "r4", State(other, b'["a"]')) == no
    assert "r4" not in table.logs
    assert Output(Installed(2, state.msg.body)) in table.say("r3", "r4", state.msg)
    assert table.logs["r4"] == ["a", "b"]


def test_a_host_begins_again_from_the_last_checkpoint_and_hears_of_the_rest() -> None:
    table = after("a", "b", "c")
    for node in NODES:
        table.restart(node)
    assert table.logs == {node: ["a", "b"] for node in NODES}
    for node in NODES:
        table.ring(node, "status")
    table.run()
    assert table.logs == {node: ["a", "b", "c"] for node in NODES}


def test_what_the_host_was_doing_counts_no_more_once_a_state_is_installed() -> None:
    table = Hosts()
    table.asleep.add("r4")
    for number, text in enumerate(("a", "b", "c"), 1):
        table.say("c9", "r1", request(text, number))
        table.run()
    [(_, fact)] = [each for each in table.asked if each[0] == "r4"]
    table.ring("r4", "status")
    table.run()
    assert table.logs["r4"] == ["a", "b"]
    assert table.say("r4", "r4", Executed(fact.turn, (b"1 a",), b"")) == NO


def test_a_client_asks_for_what_its_host_wishes() -> None:
    table = Hosts(clients=1)
    table.say("c1", "c1", Wish(70, b"x"))
    no = (Ignore("not a wish of its host, one after the other"),)
    assert table.say("c1", "c1", Wish(80, b"y")) == no
    table.run()
    assert table.say("c1", "c1", Wish(70, b"y")) == no
    assert table.say("r1", "c1", Wish(80, b"y")) == no
    table.say("c1", "c1", Wish(80, b"y"))
    table.run()
    found = [(name, fact.timestamp, fact.result) for name, fact in table.stated(Accepted)]
    assert found == [("c1", 70, b"1 x"), ("c1", 80, b"2 y")]


@pytest.mark.parametrize("seed", range(40))
def test_hosts_agree_whatever_is_lost_late_or_restarted(seed: int) -> None:
    """Letters in any order, some lost; replicas that restart; hosts that take their time."""
    draw = random.Random(seed)
    table = Hosts(clients=2)
    wished = {"c1": 0, "c2": 0}
    for turn in range(1_500):
        for client, number in wished.items():
            if table.actors[client].wanted is None and number < 6 and turn < 900:
                wished[client] = number + 1
                table.say(client, client, Wish(number + 1, f"{client}.{number + 1}".encode()))
        lossy = turn < 600
        if lossy and draw.random() < 0.01:
            table.restart(draw.choice(NODES))
        if table.post and draw.random() < 0.95:
            src, to, msg = table.post.pop(draw.randrange(min(len(table.post), 8)))
            if not (lossy and draw.random() < 0.1):
                table.say(src, to, msg)
        elif table.timers:
            name, timer = draw.choice(sorted(table.timers))
            if timer != "view" or draw.random() < 0.2:
                table.ring(name, timer)
    logs = sorted(table.logs.values(), key=len)
    assert all(log == logs[-1][: len(log)] for log in logs)
    assert len(set(logs[-1])) == len(logs[-1])
    assert {f"{c}.{n}" for c, number in wished.items() for n in range(1, number)} <= {*logs[-1]}
    at: dict[int, bytes] = {}
    for _, fact in table.stated(Committed):
        assert at.setdefault(fact.seq, fact.digest) == fact.digest


def test_a_replica_is_one_actor_with_or_without_a_host() -> None:
    assert {type(actor) for actor in served().processes} == {Replica}
    step = served().processes[0].step(Timeout("status"))
    assert step == served().processes[0].step(Timeout("status"))
    executed: Message = Executed(1, (), b"")
    assert served().processes[0].step(Receive("r1", executed))[1] == NO
