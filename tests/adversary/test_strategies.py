"""Strategies: what each does, and what none of them can do."""

from __future__ import annotations

import pytest

from quorate.adversary import STRATEGIES, Equivocator, Selfish, Silent, Strategy, arm, armed
from quorate.kernel import (
    Actor,
    Authenticated,
    Ballot,
    By,
    Context,
    Effect,
    Event,
    Fact,
    Message,
    NodeId,
    Output,
    Persist,
    Process,
    Receive,
    Send,
    Signed,
    Stable,
    Start,
    UsageError,
    World,
    always,
    forces,
)
from quorate.protocols import build_world
from quorate.protocols.paxos import Accept, Acceptor, Prepare, Promise
from quorate.sim import Faults, Task, campaign, simulate

NAMES = ("a", "b", "c", "d")


class Order(Message, frozen=True):
    text: str
    proof: Signed[Order] | Authenticated[Order] | None = None


class Heard(Fact, frozen=True):
    text: str


class Decided(Fact, frozen=True):
    text: str


class Crier(Actor):
    """Tells the others its order at the start, and what it heard; counts on disk; may decide."""

    peers: tuple[NodeId, ...] = ()
    count: Stable[int] = 0
    held: Signed[Order] | None = None

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.broadcast(self.peers, Order("go", ctx.sign(Order("go"))))

    def on_order(self, ctx: Context, src: NodeId, m: Order) -> None:
        self.count += 1
        if isinstance(m.proof, Signed):
            self.held = m.proof
        ctx.output(Heard(m.text))
        if m.text == "end":
            ctx.output(Decided(src))
        ctx.send("d", Order("got it", m.proof))


def crier(strategy: type[Strategy]) -> Actor:
    return armed(Crier("a", ("b", "c", "d")), strategy, NAMES)


def sends(effects: tuple[Effect, ...]) -> list[Effect]:
    return [effect for effect in effects if type(effect) is Send]


class Boast(Message, frozen=True):
    sender: NodeId


class Boaster(Actor):
    """Claims to be c."""

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.send("b", Boast("c"))


class Witness(Actor):
    """States who the executor says has sent."""

    def on_boast(self, ctx: Context, src: NodeId, m: Boast) -> None:
        ctx.output(Heard(src))


# What stays as it is.


@pytest.mark.parametrize("name", STRATEGIES)
def test_an_armed_node_keeps_its_name_its_class_and_its_durable_state(name: str) -> None:
    node = crier(STRATEGIES[name])
    assert isinstance(node, Crier)
    assert node.me == "a"
    after, effects = node.step(Receive("b", Order("x")))
    assert forces(effects)
    again = after.restart(node)
    assert isinstance(again, Crier)
    assert (again.count, again.held) == (1, None)
    assert type(again) is type(node)
    assert hash(again) == hash(after.restart(node))


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_process_may_be_armed_like_a_role(name: str) -> None:
    world = arm(build_world("paxos", "colocated"), [("n1", name)])
    assert isinstance(world.processes[0], Process)
    assert world.hosts() == build_world("paxos", "colocated").hosts()
    for seed in range(5):
        assert simulate(world, seed=seed, faults=Faults.swarm(seed)).steps > 0


@pytest.mark.parametrize(
    ("strategies", "text"),
    [
        ([("p1", "kind")], "there is no adversary 'kind'. There is: silent, equivocator"),
        ([("p9", "silent")], "there is no node 'p9' for silent. There is: p1, p2, a1"),
    ],
)
def test_what_does_not_exist_cannot_be_armed(strategies: list[tuple[str, str]], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        arm(build_world("paxos"), strategies)


# Silent.


def test_the_silent_hear_and_say_nothing() -> None:
    after, effects = crier(Silent).step(Receive("b", Order("x")))
    assert after.count == 1
    assert [type(effect) for effect in effects] == [Persist]


def test_one_silent_acceptor_of_three_does_no_harm_and_two_stop_paxos() -> None:
    def broken(*nodes: str) -> set[str | None]:
        silent = tuple((node, "silent") for node in nodes)
        task = Task(protocol="paxos", adversaries=silent, swarm=False)
        return {run.violated for run in campaign(task, first=0, count=10).failures}

    assert broken("a1") == set()
    assert broken("a1", "a3") == {"termination"}


# Selfish.


def test_the_selfish_work_until_they_have_their_outcome() -> None:
    node = crier(Selfish)
    node, effects = node.step(Receive("b", Order("x")))
    assert sends(effects) == [Send("d", Order("got it"))]
    node, effects = node.step(Receive("b", Order("end")))
    assert Output(Decided("b")) in effects
    assert sends(effects) == []
    node, effects = node.step(Receive("b", Order("x")))
    assert Output(Heard("x")) in effects
    assert sends(effects) == []


def test_a_selfish_leader_does_not_tell_who_did_not_help_it() -> None:
    def learned(adversaries: tuple[tuple[str, str], ...]) -> int:
        task = Task(
            protocol="paxos",
            world="colocated",
            settings={"proposers": 1},
            adversaries=adversaries,
            swarm=False,
        )
        run = simulate(task.build(), seed=0, faults=task.faults(0))
        assert run.violated is None
        return run.deliveries

    assert learned((("n1", "selfish"),)) < learned(())


# Equivocator.


def test_an_equivocator_tells_every_second_node_another_value_and_signs_that_too() -> None:
    _, effects = crier(Equivocator).step(Start())
    told = {effect.to: effect.msg for effect in effects if type(effect) is Send}
    assert told["b"] == told["d"] == Order("go", Signed("a", Order("go")))
    assert told["c"] == Order("go'", Signed("a", Order("go'")))


def test_it_can_pass_on_what_others_signed_only_as_it_is() -> None:
    theirs = Signed("b", Order("x"))
    node = armed(Crier("a"), Equivocator, ("a", "b", "d"))
    assert node.others == ("b", "d")
    _, effects = node.step(Receive("b", Order("x", theirs)))
    assert sends(effects) == [Send("d", Order("got it'", theirs))]


def test_ballots_and_names_are_told_alike_for_they_are_no_values() -> None:
    names = ("a1", "p1", "p2")
    node = armed(Acceptor("a1"), Equivocator, names)
    ballot = Ballot(1, "p2")
    _, effects = node.step(Receive("p2", Prepare(ballot)))
    assert sends(effects) == [Send("p2", Promise(ballot, None))]
    voted, _ = node.step(Receive("p2", Accept(ballot, "v")))
    _, effects = voted.step(Receive("p2", Prepare(Ballot(2, "p2"))))
    (send,) = sends(effects)
    assert type(send) is Send
    assert isinstance(send.msg, Promise)
    assert send.msg.vote is not None
    assert (send.msg.vote.ballot, send.msg.vote.value) == (ballot, "v'")


def test_one_equivocating_proposer_breaks_paxos_which_is_not_made_for_that() -> None:
    def broken(adversaries: tuple[tuple[str, str], ...]) -> set[str | None]:
        task = Task(protocol="paxos", adversaries=adversaries)
        return {run.violated for run in campaign(task, first=0, count=40).failures}

    assert broken(()) == set()
    assert "agreement" in broken((("p1", "equivocator"),))


# What counts, and what none can do.


def test_what_an_adversary_states_or_stores_is_not_judged() -> None:
    nobody_heard = always("nobody heard", lambda view: not any(view.stated(Heard)))
    nobody_counts = always(
        "nobody counts", lambda view: all(not r.count for r in view.roles(Crier)), states=True
    )
    for prop in (nobody_heard, nobody_counts):
        world = World(processes=(Crier("a"), Crier("b", ("a",))), properties=(prop,))
        assert simulate(world, seed=0, faults=Faults()).violated == prop.name
        liar = arm(world, [("a", "silent")])
        assert simulate(liar, seed=0, faults=Faults()).violated is None
        selfish = arm(world, [("a", "selfish")])
        assert simulate(selfish, seed=0, faults=Faults()).violated == prop.name


class Impostor(Strategy, gc=False):
    """Speaks under another name."""

    def act(self, event: Event, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        return (By("c", Send("b", Order("x"))),)


class Forger(Strategy, gc=False):
    """Signs for another, or makes its MAC."""

    def act(self, event: Event, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        if isinstance(event, Receive) and event.src == "m":
            return (Send("b", Order("x", Authenticated("c", Order("x"), ("b",)))),)
        return (Send("b", Order("x", Signed("c", Order("x")))),)


def test_no_strategy_can_speak_under_a_name_that_is_not_its_own() -> None:
    world = World(processes=(crier(Impostor), Crier("b"), Crier("c")), properties=())
    with pytest.raises(UsageError, match="the strategy of a speaks under the name of c"):
        simulate(world, seed=0, faults=Faults())


@pytest.mark.parametrize("src", ["b", "m"])
def test_no_strategy_can_use_a_key_that_is_not_its_own(src: str) -> None:
    with pytest.raises(UsageError, match="the strategy of a uses the key of c"):
        crier(Forger).step(Receive(src, Order("x")))


def test_a_strategy_may_relay_a_proof_that_it_was_given_or_holds() -> None:
    proof = Signed("c", Order("x"))
    node, effects = crier(Forger).step(Receive("b", Order("y", proof)))
    assert sends(effects) == [Send("b", Order("x", proof))]
    node, effects = node.step(Receive("b", Order("y")))
    assert sends(effects) == [Send("b", Order("x", proof))]


def test_the_executor_stamps_the_sender_whatever_a_message_claims() -> None:
    def violated(text: str) -> str | None:
        stamped = always("stamped", lambda view: all(f.text == text for _, f in view.stated(Heard)))
        world = World(processes=(Boaster("a"), Witness("b")), properties=(stamped,))
        return simulate(world, seed=0, faults=Faults()).violated

    assert violated("a") is None
    assert violated("c") == "stamped"
