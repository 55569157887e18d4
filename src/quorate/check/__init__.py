"""The exhaustive checker: every schedule of a world, and the shortest way to what breaks it."""

from quorate.check.run import ENGINES, Result, check
from quorate.check.verdict import Verdict
