"""The simulator: any world in virtual time, under seeded faults."""

from quorate.sim.campaign import Campaign, Task, campaign, run_seeds
from quorate.sim.faults import Faults, Scheduler
from quorate.sim.replay import Replay, replay
from quorate.sim.run import Run, simulate
from quorate.sim.shrink import Shrunk, shrink
from quorate.sim.spreading import executor_for, spread
from quorate.sim.weather import weather
