"""PBFT's mutants: seeds find each. Their traces are long, and to shrink them takes more than that.

What a new view may begin with is also told apart by vectors: tests/protocols/test_pbft_new_view.py.
"""

from __future__ import annotations

import pytest

from quorate.mutants import Mutant, find_mutants
from quorate.sim import Faults, simulate

pytestmark = pytest.mark.slow

SEEDS = 400
MUTANTS = find_mutants("pbft")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_seed_finds_what_a_guard_is_for(mutant: Mutant) -> None:
    world = mutant.trial()
    assert len(world.properties) == 1
    assert any(
        simulate(world, seed=seed, faults=Faults.swarm(seed)).violated == mutant.kills
        for seed in range(SEEDS)
    )
