"""Pictures of measurements, which come out the same to the byte for the same figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from quorate.kernel import UsageError


@contextmanager
def log_log(path: Path, across: str, up: str) -> Iterator[Any]:
    """Axes to draw on, both logarithmic and with these labels; the picture is then written, in the
    format of its name. Raises UsageError without matplotlib."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("plots take matplotlib: pip install 'quorate[science]'") from None
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot(xscale="log", yscale="log")
    yield axes
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.3)
    axes.legend()
    with mpl.rc_context({"svg.hashsalt": "quorate", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
