"""How fast the page of a long run opens and scrubs, in headless Chromium; prints JSON.

Usage: python benchmarks/viewer.py [STEPS] > benchmarks/results/viewer.json
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from quorate.kernel import Header, Trace
from quorate.protocols import build_world
from quorate.sim import Faults, simulate
from quorate.traces.html import html
from quorate.traces.spacetime import retell

STEPS = 100_000
SETTINGS = {"nodes": 5, "clients": 4, "values": 100_000}
OPENINGS = 5
FRAMES = 120
SCRUB = """async frames => {
  const range = document.getElementById("scrub"), times = [];
  for (let i = 0; i < frames; i++) {
    const began = performance.now();
    range.value = Math.floor(range.max * ((i * 37) % frames) / frames);
    range.dispatchEvent(new Event("input"));
    await new Promise(requestAnimationFrame);
    times.push(performance.now() - began);
  }
  return times;
}"""


def page(steps: int) -> tuple[str, int]:
    """The page of a five-node Multi-Paxos run, and how many steps it has."""
    world = build_world("multi_paxos", settings=SETTINGS)
    header = Header(protocol="multi_paxos", settings=SETTINGS, executor="sim")
    run = simulate(world, seed=0, faults=Faults(), header=header, steps_max=steps)
    assert run.trace is not None
    trace = Trace(header, run.trace.records, run.trace.notes)
    return html(retell(trace, world.processes)), run.steps


def opening_s(browser: Browser, path: Path) -> float:
    """Seconds from asking for the page to its first drawing."""
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    began = time.perf_counter()
    tab.goto(path.as_uri())
    tab.wait_for_selector("html[data-ready]")
    took = time.perf_counter() - began
    tab.close()
    return took


def main() -> None:
    """Measure, and print."""
    began = time.process_time()
    text, steps = page(int(sys.argv[1]) if len(sys.argv) > 1 else STEPS)
    made = time.process_time() - began
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "run.html"
        path.write_text(text)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        openings = [opening_s(browser, path) for _ in range(OPENINGS)]
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        tab.goto(path.as_uri())
        tab.wait_for_selector("html[data-ready]")
        frames = tab.evaluate(SCRUB, FRAMES)
        browser.close()
    data = {
        "steps": steps,
        "page_bytes": len(text.encode()),
        "simulated_and_written_cpu_s": round(made, 2),
        "open_s_median": round(statistics.median(openings), 3),
        "open_s_worst": round(max(openings), 3),
        "frame_ms_median": round(statistics.median(frames), 2),
        "frame_ms_p95": round(sorted(frames)[int(0.95 * len(frames))], 2),
    }
    print(json.dumps(data, indent=2))


if __name__ == "__main__":
    main()
