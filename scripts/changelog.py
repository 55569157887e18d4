"""Moves the fragments in changelog.d into CHANGELOG.md: `python scripts/changelog.py VERSION`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
KINDS = ("added", "changed", "fixed", "removed")


def release(root: Path, version: str) -> None:
    """Write a section for `version` above the earlier ones, and delete its fragments."""
    lines = [f"## {version}\n"]
    used = []
    for kind in KINDS:
        fragments = sorted((root / "changelog.d").glob(f"*.{kind}.md"))
        if fragments:
            lines.append(f"### {kind.capitalize()}\n")
            lines.append("".join(f"- {path.read_text().strip()}\n" for path in fragments))
        used += fragments
    log = root / "CHANGELOG.md"
    head, _, earlier = log.read_text().partition("\n## ")
    earlier = f"\n## {earlier}" if earlier else ""
    log.write_text(head.rstrip() + "\n\n" + "\n".join(lines) + earlier)
    for path in used:
        path.unlink()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/changelog.py VERSION")
    release(ROOT, sys.argv[1])
