"""Steps in words."""

from __future__ import annotations

import pytest

from kernel.test_trace import Other, Seen, Vote, Voter
from quorate.kernel import (
    Actor,
    At,
    Ballot,
    By,
    CancelTimer,
    Change,
    Choice,
    Choose,
    Context,
    Crash,
    Delta,
    For,
    Ignore,
    Map,
    NodeId,
    Output,
    Persist,
    Process,
    Receive,
    Send,
    SetTimer,
    Stable,
    Start,
    Timeout,
)
from quorate.traces.words import describe


def test_a_step_is_described_by_what_happened_what_changed_and_what_was_done() -> None:
    before = Voter("n")
    event = Receive("p1", Vote(Ballot(1, "p1"), b"v"))
    after, effects = before.step(event)
    assert describe(before, event, after, effects) == (
        "n ← p1 Vote(1p1, v, {}) | log ballot 0→1p1 | heard 0→1 | → p1 Other()"
    )


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Start(), "n start"),
        (Start(recovered=True), "n restart"),
        (Timeout("t"), "n time-out t"),
        (Choice("coin", 1), "n chose coin=1"),
        (Crash(), "n crash"),
        (Crash(forgets=1, undone=1), "n crash, 2 writes lost"),
        (Crash(during=Timeout("t"), sent=1), "n crash in mid-step after 1 sends"),
        (At(5, Timeout("t")), "n time-out t"),
        (At(5, For("r", Timeout("t"))), "r time-out t"),
    ],
)
def test_every_kind_of_event_has_its_words(event: object, line: str) -> None:
    assert describe(None, event, Voter("n"), ()) == line  # type: ignore[arg-type]


def test_an_event_for_a_role_is_described_by_the_role() -> None:
    process = Process("n", (Voter("r"),))
    event = For("r", Timeout("t"))
    assert describe(process, event, process, ()) == "r time-out t"


def test_every_kind_of_effect_has_its_words() -> None:
    effects = (
        Persist((Change("ballot", Ballot(1, "p")),)),
        Send("x", Other()),
        SetTimer("t", (1, 2)),
        CancelTimer("t"),
        Choose("coin", (0, 1)),
        Output(Seen("v")),
        Ignore("late"),
        By("r", Send("x", Other())),
        By("r", Persist((Change("ballot", Delta()),))),
    )
    assert describe(None, Start(), Voter("n"), effects) == (
        "n start | → x Other() | timer t 1–2 ms | cancel timer t | choose coin of (0 1)"
        " | ! Seen(v) | ignored: late | r: → x Other()"
    )


class Pages(Actor):
    pages: Stable[Map[int, str]] = Map({1: "a", 2: "b", 3: "c"})

    def on_vote(self, ctx: Context, src: NodeId, m: Vote) -> None:
        self.pages = self.pages.put(2, "x").put(4, "d").drop((1,))


def test_of_a_map_only_the_entries_that_changed_are_told() -> None:
    before, event = Pages("n"), Receive("x", Vote(Ballot(), b""))
    after, effects = before.step(event)
    assert describe(before, event, after, effects) == (
        "n ← x Vote(0, , {}) | log pages[2]=x | log pages[4]=d | log pages[1] gone"
    )


def test_a_message_to_several_nodes_is_told_once() -> None:
    vote, other = Vote(Ballot(1, "p1"), b"v"), Vote(Ballot(2, "p1"), b"v")
    sends = (Send("a", vote), Send("b", vote), Send("c", other), Send("a", vote))
    after = Voter("n")
    assert describe(None, Start(), after, sends).split(" | ") == [
        "n start",
        "→ a b Vote(1p1, v, {})",
        "→ c Vote(2p1, v, {})",
        "→ a Vote(1p1, v, {})",
    ]
    by = (By("x", sends[0]), By("x", sends[1]), By("y", sends[1]))
    assert describe(None, Start(), after, by).split(" | ")[1:] == [
        "x: → a b Vote(1p1, v, {})",
        "y: → b Vote(1p1, v, {})",
    ]
