"""Scenarios: acts happen when and to whom they say; each that comes along shows its point."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import pytest

from quorate.kernel import Crash, Header, Receive, Start, UsageError, World, core
from quorate.protocols import build_world, names
from quorate.sim import Faults, Run, replay, simulate
from quorate.sim.generals import GENERALS, chain, groups, patterns, views
from quorate.sim.judge import NO_DEADLOCK
from quorate.sim.scenario import Act, Deed, read_scenario
from quorate.sim.scenarios import BUILTINS, DUELS, LEADER, find_scenario, scenarios_of
from sim.toys import HEADER, Counter, Sender, pings, records, world

STEADY = world(Sender("s", ("c", "d"), count=100, every_ms=10), Counter("c"), Counter("d"))
KNOBS: dict[str, Any] = {"delay_us": (1_000, 1_000), "unsafe_ms": 2_000}


def acted(*acts: Act, of: World = STEADY, **knobs: Any) -> Run:
    return simulate(of, seed=0, faults=Faults(**KNOBS | knobs), header=HEADER, acts=acts)


def notes(outcome: Run) -> list[tuple[int, str]]:
    assert outcome.trace is not None
    return [(note.at_us, note.note) for note in outcome.trace.notes]


# Acts.


def test_a_partition_lasts_until_it_is_mended() -> None:
    outcome = acted(
        Act(do=Deed.PARTITION, at_ms=205, sides=(("c",), ("rest",))), Act(do=Deed.MEND, at_ms=405)
    )
    assert pings(outcome, "c") == [*range(1, 21), *range(41, 101)]
    assert pings(outcome, "d") == list(range(1, 101))
    assert notes(outcome) == [
        (205_000, "partition: s d | c"),
        (405_000, "all links carry again"),
    ]


def test_a_crash_lasts_until_a_restart_and_a_stop_for_ever() -> None:
    outcome = acted(
        Act(do=Deed.CRASH, at_ms=205, nodes=("c",)),
        Act(do=Deed.STOP, at_ms=205, nodes=("d",)),
        Act(do=Deed.RESTART, at_ms=405, nodes=("c",)),
        down_ms=(60_000, 60_000),
    )
    assert pings(outcome, "c") == [*range(1, 21), *range(41, 101)]
    assert pings(outcome, "d") == list(range(1, 21))
    assert [r.at_us for r in records(outcome, "c", Start)] == [0, 405_000]


def test_a_pause_puts_off_everything_until_it_ends() -> None:
    outcome = acted(
        Act(do=Deed.PAUSE, at_ms=205, nodes=("c",)), Act(do=Deed.RESUME, at_ms=405, nodes=("c",))
    )
    assert pings(outcome, "c") == list(range(1, 101))
    late = [r.at_us for r in records(outcome, "c", Receive)][20:40]
    assert set(late) == {405_000}


def test_an_act_may_wait_for_a_message_and_strike_who_sent_it_or_received_it() -> None:
    outcome = acted(
        Act(do=Deed.CRASH, at_ms=300, once="Ping", nodes=("receiver",), says="{nodes} is struck"),
        Act(do=Deed.PAUSE, once="Pong", nodes=("sender", "receiver"), says="and {nodes}"),
    )
    assert outcome.trace is not None
    crash = next(r for r in outcome.trace.records if isinstance(r.event, Crash))
    assert (crash.node, crash.at_us) == ("c", 301_000)
    assert notes(outcome) == [(301_000, "c is struck"), (302_000, "and c and s")]


def test_the_acts_after_one_that_cannot_happen_do_not_happen_either() -> None:
    outcome = acted(
        Act(do=Deed.CRASH, once="Nothing", nodes=("sender",)), Act(do=Deed.STOP, nodes=("c",))
    )
    assert notes(outcome) == [(2_000_000, "no Nothing arrives: no crash")]
    assert pings(outcome, "c") == list(range(1, 101))


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (Act(do=Deed.STOP, nodes=("x",)), "the scenario's stop names 'x'; there is s, c, d, and"),
        (Act(do=Deed.STOP, nodes=("sender",)), "names 'sender'; there is s, c, d, and sender or"),
        (Act(do=Deed.PARTITION, sides=(("s",), ("y",))), "partition names 'y'; there is s, c, d"),
    ],
)
def test_who_does_not_exist_is_named(act: Act, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        acted(act)


FILE = """
name = "mine"
shows = "one node stops"

[settings]
loss = 0.1

[[acts]]
do = "stop"
at_ms = 10
once = "Promise"
nodes = ["receiver"]
says = "{nodes} stops"
"""


def test_a_scenario_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(FILE)
    scenario = read_scenario(path)
    assert scenario.settings == {"loss": 0.1}
    assert scenario.acts == (
        Act(do=Deed.STOP, at_ms=10, once="Promise", nodes=("receiver",), says="{nodes} stops"),
    )


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.toml", "name = 3", "is not a scenario: "),
        ("a.toml", 'name = "a"\nshows = "b"\nact = []', "unknown field `act`"),
        ("a.json", "{", "is not a scenario: "),
        ("none.toml", None, "cannot read .*none.toml: No such file"),
    ],
)
def test_a_file_that_is_no_scenario_is_refused(
    tmp_path: Path, name: str, text: str | None, problem: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=problem):
        read_scenario(tmp_path / name)


# Those that come with Quorate.


def played(protocol: str, name: str, seed: int = 0, **more: Any) -> Run:
    built = build_world(protocol)
    scenario = find_scenario(name, protocol, built)
    faults = Faults().with_settings({**scenario.settings, **more})
    header = Header(protocol=protocol, executor="sim")
    outcome = simulate(built, seed=seed, faults=faults, header=header, acts=scenario.acts)
    assert outcome.trace is not None
    assert replay(built, outcome.trace).difference is None
    return outcome


QUICK = [
    (protocol, each.name)
    for protocol in names()
    for each in scenarios_of(protocol, build_world(protocol))
    if each.name != "topology-deadlock"
]


@pytest.mark.parametrize(("protocol", "name"), QUICK)
def test_every_act_happens_and_what_is_promised_holds(protocol: str, name: str) -> None:
    outcome = played(protocol, name)
    assert outcome.violated is None
    said = [act.says for act in find_scenario(name, protocol, build_world(protocol)).acts]
    told = [text for _, text in notes(outcome)]
    assert not any("arrives: no" in text for text in told)
    assert len(told) >= len([text for text in said if text])


def test_a_side_without_a_quorum_decides_nothing_while_the_network_is_apart() -> None:
    outcome = played("multi_paxos", "partition-and-heal")
    assert outcome.trace is not None
    decided = {n: [] for n in ("n1", "n2", "n3")}
    for record in outcome.trace.records:
        if "! Decided" in record.line:
            decided[record.node].append(record.at_us)
    apart, whole = notes(outcome)[0][0], 3_000_000
    assert min(decided["n1"]) > whole
    assert apart < min(decided["n2"]) < whole


@pytest.mark.parametrize("seed", range(5))
def test_duelling_leaders_keep_each_other_from_deciding(seed: int) -> None:
    outcome = played("paxos", "duelling-leaders", seed)
    assert outcome.trace is not None
    over, text = notes(outcome)[-1]
    assert text.startswith("Nobody has failed, and nothing is decided.")
    decided = [r.at_us for r in outcome.trace.records if "! Decided" in r.line]
    assert min(decided) > over
    before = [r for r in outcome.trace.records if r.at_us < over]
    started = {r.line for r in before if "time-out retry" in r.line and " Prepare(" in r.line}
    assert len(started) >= DUELS


@pytest.mark.parametrize("protocol", LEADER)
def test_the_leader_crashes_and_what_it_began_comes_to_an_end(protocol: str) -> None:
    outcome = played(protocol, "leader-crash")
    assert outcome.trace is not None
    crash = next(r for r in outcome.trace.records if isinstance(r.event, Crash))
    (first, said), *_ = notes(outcome)
    assert said == f"{crash.node} leads, and now it crashes."
    assert crash.at_us == first
    assert outcome.violated is None


@pytest.mark.parametrize("protocol", ["ben_or", "multi_paxos", "reliable_link"])
def test_links_in_a_ring_deadlock_when_they_block_and_do_not_when_they_drop(protocol: str) -> None:
    for seed in range(20):
        outcome = played(protocol, "topology-deadlock", seed)
        if outcome.violated is not None:
            assert outcome.violated.startswith(f"{NO_DEADLOCK} (link ")
            assert played(protocol, "topology-deadlock", seed, link_full="drop").violated is None
            return
    pytest.fail("no deadlock in 20 seeds")


def test_a_scenario_that_does_not_exist_or_does_not_fit_is_refused() -> None:
    built = build_world("paxos")
    with pytest.raises(UsageError, match=r"there is no scenario 'war'\. There is: partition-and"):
        find_scenario("war", "paxos", built)
    with pytest.raises(UsageError, match="no scenario 'two-generals' for this protocol"):
        find_scenario("two-generals", "paxos", built)
    everywhere = (scenarios_of(name, build_world(name)) for name in names())
    assert {each.name for some in everywhere for each in some} == {b.name for b in BUILTINS}


# Two generals.


def test_one_general_attacks_alone_when_the_last_letter_is_lost() -> None:
    outcome = played("two_generals", "two-generals")
    assert outcome.reached == ("one attacks alone",)
    assert outcome.trace is not None
    letters = [r for r in outcome.trace.records if isinstance(core(r.event), Receive)]
    assert len(letters) == 4 - 1


@pytest.mark.parametrize("rounds", range(1, 6))
def test_no_rule_tells_any_two_runs_apart_for_both_generals(rounds: int) -> None:
    every = list(patterns(rounds))
    assert len(set(every)) == 4**rounds
    assert groups(every) == 1


def test_if_some_losses_are_impossible_a_rule_exists() -> None:
    # Nothing is lost, or everything: then both know which. Or: letters of the first round arrive.
    for rounds in range(1, 5):
        whole, none = ((True, True),) * rounds, ((False, False),) * rounds
        assert groups([whole, none]) == 2
    assert groups(p for p in patterns(3) if p[0] == (True, True)) == 1
    assert groups(p for p in patterns(3) if all(a == b for a, b in p)) > 1


@pytest.mark.parametrize("rounds", range(1, 8))
def test_a_chain_leads_from_every_letter_to_none_and_each_link_deceives_one(rounds: int) -> None:
    links = chain(rounds)
    assert len(links) == 2 * rounds
    assert links[0].more == ((True, True),) * rounds
    assert links[-1].less == ((False, False),) * rounds
    for link in links:
        blind = GENERALS.index(link.blind)
        assert views(link.more)[blind] == views(link.less)[blind]
        assert views(link.more)[1 - blind] != views(link.less)[1 - blind]
        letters = [[arrives for each in run for arrives in each] for run in (link.more, link.less)]
        assert sum(map(operator.ne, *letters)) == 1
