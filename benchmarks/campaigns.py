"""Seeds against every protocol and every mutant, and what they visit: writes benchmarks/results/.

Usage: python benchmarks/campaigns.py [seeds] [ablation] [coverage]   (all three, in that order)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from quorate.cli.terminal import machine
from quorate.protocols import build_world, names, worlds_of

RESULTS = Path(__file__).parent / "results"
SEEDS = 100_000
COVERAGE_SEEDS = (100, 1_000)
NO_PROGRESS = ["--set", "unsafe_ms=5000", "--set", "heal_ms=1000"]
"""A world small enough to be searched seldom makes good: there is nothing to wait for."""


def simulate(*arguments: str) -> tuple[str, Any]:
    """The command, and the JSON that it prints."""
    words = ["quorate", "simulate", *arguments, "--jobs", str(os.cpu_count() or 1), "--json"]
    ran = subprocess.run(
        [sys.executable, "-m", *words], stdout=subprocess.PIPE, text=True, check=False
    )
    if ran.returncode not in (0, 1, 2):
        raise SystemExit(f"{' '.join(words)} ended with {ran.returncode}")
    return " ".join(words), json.loads(ran.stdout)


def seeds() -> dict[str, Any]:
    """100,000 seeds, divided over the protocols."""
    command, data = simulate("--all", "--seeds", str(SEEDS))
    kept = ("protocol", "seeds", "steps", "deliveries", "cpu_seconds", "failures", "bounded")
    rows = [{name: row[name] for name in kept} | {"missed": row["missed"]} for row in data["rows"]]
    sums = {name: data[name] for name in kept[1:]} | {"seconds": data["seconds"]}
    return {"command": command, "machine": machine(), **sums, "rows": rows}


def ablation() -> dict[str, Any]:
    """How many of 1,000 seeds it takes to find each mutant."""
    command, data = simulate("--all", "--mutants")
    return {"command": command, "machine": machine(), "rows": data}


def coverage() -> dict[str, Any]:
    """What share of the reachable states of each small world ever more seeds visit."""
    rows = []
    for name in names():
        if "small" not in worlds_of(name) or build_world(name, "small").network.value != "set":
            continue
        for count in COVERAGE_SEEDS:
            arguments = [name, "--world", "small", "--seeds", str(count), *NO_PROGRESS]
            command, data = simulate(*arguments, "--coverage")
            if data["reachable"] is None:
                break
            kept = ("protocol", "seeds", "reachable", "visited", "share", "pairs", "pairs_possible")
            rows.append({key: data[key] for key in kept} | {"command": command})
    return {"machine": machine(), "rows": rows}


if __name__ == "__main__":
    made = {"seeds": seeds, "ablation": ablation, "coverage": coverage}
    for name in sys.argv[1:] or made:
        text = json.dumps(made[name](), indent=1, ensure_ascii=False)
        (RESULTS / f"{name}.json").write_text(text + "\n")
