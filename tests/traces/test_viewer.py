"""The page of a run, opened in a browser: what it draws, and what happens when one touches it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from quorate.check import check
from quorate.kernel import Crash, Header
from quorate.mutants import find_mutants
from quorate.sim import Faults, simulate
from quorate.traces.clocks import lamport_clocks, precedes, vector_clocks
from quorate.traces.html import html
from quorate.traces.spacetime import SpaceTime, retell
from sim.toys import HEADER, Clumsy, Sender, run, world
from traces.weather import stormy

pytestmark = pytest.mark.slow
Opened = Callable[[SpaceTime], Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "Chromium is missing: scripts/setup installs it as root (apt install chromium)"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    """Opens the page of a diagram; whatever the browser complains of fails the test."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 800}, offline=True)

    def show(diagram: SpaceTime) -> Page:
        path = tmp_path / "run.html"
        path.write_text(html(diagram))
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        return page

    yield show
    context.close()
    assert complaints == []


def shown(page: Page) -> dict[str, Any]:
    """What the page says it has drawn, once it has drawn it."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    state: dict[str, Any] = page.evaluate("window.quorate")
    return state


def long_run() -> SpaceTime:
    of, trace = stormy("multi_paxos", "main", {"nodes": 5, "values": 3}, 2)
    return retell(trace, of.processes)


def counterexample() -> SpaceTime:
    mutant = next(m for m in find_mutants("paxos") if m.name == "quorum_too_small")
    violation = check(mutant.world(), header=Header(protocol="paxos", executor="check")).violation
    assert violation is not None
    assert violation.trace is not None
    return retell(violation.trace, mutant.world().processes)


def test_a_counterexample_is_drawn_whole(opened: Opened) -> None:
    diagram = counterexample()
    page = opened(diagram)
    drawn = shown(page)
    apart = sum(not message.local for message in diagram.messages)
    assert drawn["drawn"] == {"steps": len(diagram.steps), "messages": apart, "stamps": 0}
    assert page.text_content("#violated") == "violates agreement"
    assert not page.is_visible("#axis"), "a checker's steps have no time"
    page.click("#violated")
    assert shown(page)["step"] == len(diagram.steps) - 1


def test_of_a_long_run_only_what_can_be_seen_is_drawn_and_scrubbing_moves_it(
    opened: Opened,
) -> None:
    diagram = long_run()
    page = opened(diagram)
    first = shown(page)
    assert (first["steps"], first["messages"]) == (len(diagram.steps), len(diagram.messages))
    assert 10 < first["drawn"]["steps"] < 100
    before = page.screenshot()
    page.fill("#scrub", str(len(diagram.steps) // 2))
    second = shown(page)
    assert second["top"] == len(diagram.steps) // 2
    assert page.screenshot() != before
    assert re.match(rf"steps {len(diagram.steps) // 2 + 1:,}–", page.text_content("#where") or "")
    page.keyboard.press("End")
    assert shown(page)["top"] > second["top"]
    page.keyboard.press("0")
    assert shown(page)["drawn"]["steps"] == len(diagram.steps)
    box = page.locator("#strip").bounding_box()
    assert box is not None
    page.keyboard.press("+")
    page.mouse.click(box["x"] + 20, box["y"] + box["height"] - 5)
    assert shown(page)["top"] > 0


def test_the_overview_and_the_wheel_scroll(opened: Opened) -> None:
    page = opened(long_run())
    page.mouse.move(400, 400)
    page.mouse.wheel(0, 2_200)
    assert shown(page)["top"] == pytest.approx(100)
    page.mouse.wheel(0, -9_999_999)
    assert shown(page)["top"] == 0


def test_a_step_says_what_it_received_changed_and_sent_and_its_cones(opened: Opened) -> None:
    diagram = long_run()
    clocks = vector_clocks(diagram)
    index = next(
        index
        for index, step in enumerate(diagram.steps)
        if step.received is not None and step.changes and step.sent and index > 100
    )
    step = diagram.steps[index]
    assert step.received is not None
    received = diagram.messages[step.received]
    page = opened(diagram)
    page.evaluate(f"location.hash = 'step={index + 1}'")
    assert shown(page)["step"] == index
    text = page.inner_text("#detail")
    assert step.title in text
    assert f"{received.name} sent in step {(received.sent or 0) + 1}" in text
    for change in step.changes:
        assert change in text
    for number in step.sent:
        message = diagram.messages[number]
        assert f"→ {diagram.nodes[message.target]}" in text
        if message.local:
            assert "(within the node)" in text
        elif message.received is not None:
            assert f"received in step {message.received + 1}" in text
    everything = range(len(diagram.steps))
    past = sum(precedes(diagram, clocks, other, index) for other in everything)
    future = sum(precedes(diagram, clocks, index, other) for other in everything)
    assert f"{past:,} steps before it could influence it" in text
    assert f"{future:,} steps after it could feel it" in text
    assert f"Lamport's clock: {lamport_clocks(diagram)[index]}\n" in text
    entries = zip(diagram.nodes, clocks[index], strict=False)
    assert "vector clock: " + ", ".join(f"{n} {count}" for n, count in entries if count) in text
    page.click(f"#detail a:has-text('step {(received.sent or 0) + 1}')")
    assert shown(page)["step"] == received.sent


def test_steps_and_messages_can_be_clicked_and_walked(opened: Opened) -> None:
    diagram = counterexample()
    page = opened(diagram)
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert shown(page)["step"] == 1
    page.keyboard.press("k")
    assert shown(page)["step"] == 0
    page.keyboard.press("l")
    following = next(
        i for i, s in enumerate(diagram.steps) if i and s.node == diagram.steps[0].node
    )
    assert shown(page)["step"] == following
    page.keyboard.press("m")
    received = diagram.messages[diagram.steps[following].received or 0]
    assert shown(page)["step"] == received.sent
    page.keyboard.press("Escape")
    assert shown(page)["step"] == -1
    zoom = shown(page)["zoom"]
    box = page.locator("#view").bounding_box()
    assert box is not None
    lane = (box["width"] - 104 - 18) / len(diagram.nodes)

    def point(step: int) -> tuple[float, float]:
        node = diagram.steps[step].node
        return box["x"] + 104 + 18 + node * lane, box["y"] + 30 + 16 + step * zoom

    page.mouse.click(*point(following))
    assert shown(page)["step"] == following
    page.keyboard.press("Escape")
    arrow = next(m for m in diagram.messages if m.received is not None and not m.local)
    (x1, y1), (x2, y2) = point(arrow.sent or 0), point(arrow.received or 0)
    page.mouse.click((x1 + x2) / 2, (y1 + y2) / 2)
    assert shown(page)["message"] == diagram.messages.index(arrow)
    assert f"in step {(arrow.received or 0) + 1}" in page.inner_text("#detail")


def test_steps_can_be_found_and_filtered(opened: Opened) -> None:
    diagram = long_run()
    page = opened(diagram)
    crashes = [i for i, step in enumerate(diagram.steps) if isinstance(step.event, Crash)]
    page.keyboard.press("/")
    page.keyboard.type("crash")
    assert shown(page)["hits"] == len(crashes)
    page.keyboard.press("Enter")
    assert shown(page)["step"] == crashes[0]
    page.keyboard.press("Escape")
    page.uncheck("#types label:has-text('Heartbeat') input")
    heartbeats = sum(
        step.received is not None and diagram.messages[step.received].name == "Heartbeat"
        for step in diagram.steps
    )
    assert shown(page)["rows"] == len(diagram.steps) - heartbeats
    page.check("#types label:has-text('Heartbeat') input")
    page.uncheck("#lanes label:has-text('n1') input")
    assert shown(page)["rows"] == sum(diagram.nodes[step.node] != "n1" for step in diagram.steps)


def test_light_and_dark_time_and_help_are_a_key_away(opened: Opened) -> None:
    page = opened(long_run())
    looks = {page.screenshot()}
    for key in ("d", "t", "?"):
        page.keyboard.press(key)
        shown(page)
        looks.add(page.screenshot())
    assert len(looks) == 4
    assert page.is_visible("dialog >> text=space steps evenly, or by time")


def test_the_logical_clocks_of_all_steps_are_a_key_away(opened: Opened) -> None:
    page = opened(counterexample())
    without = page.screenshot()
    page.keyboard.press("c")
    assert shown(page)["drawn"]["stamps"] > 10
    assert page.screenshot() != without
    page.click("#stamps")
    assert shown(page)["drawn"]["stamps"] == 0


def test_text_of_a_trace_is_never_taken_for_markup(opened: Opened) -> None:
    evil = "</script><script>document.title='gone'</script><b>"
    of = world(Sender(evil, ("c",)), Clumsy("c"))
    trace = run(of).trace
    assert trace is not None
    page = opened(retell(trace, of.processes))
    page.keyboard.press("j")
    shown(page)
    assert page.title() != "gone"
    assert page.locator("b").count() == 0
    assert evil in page.inner_text("#lanes")


def test_a_run_of_nothing_is_a_page_too(opened: Opened) -> None:
    diagram = retell(simulated_nothing(), ())
    assert shown(opened(diagram))["drawn"] == {"steps": 0, "messages": 0, "stamps": 0}


def simulated_nothing() -> Any:
    trace = simulate(world(), seed=0, faults=Faults(heal_ms=0), header=HEADER).trace
    assert trace is not None
    return trace
