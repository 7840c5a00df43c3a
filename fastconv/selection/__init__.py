"""Chooses an algorithm for a problem, explains and remembers the choice.

options    what the user allows: effort, precision, limits           memory   plans of this process, bounded
   |                                                                 store    measurements of all processes, on disk
heuristic  who may, and what it is predicted to cost                 lock     plans in a file for a team
   |
choose     forced, locked, stored, measured or predicted ---> explain
   |
measure    times algorithms with the one loop in race <--- tune
"""

from .choose import select
from .explain import Choice, Explanation
from .lock import Lock, LockedPlan, diff
from .measure import survey
from .memory import PLANS, remembered
from .options import Config, config, get_config, set_config
from .tune import autotune, lock_of

__all__ = [
    "PLANS", "Choice", "Config", "Explanation", "Lock", "LockedPlan", "autotune", "config", "diff", "get_config", "lock_of",
    "remembered", "select", "set_config", "survey",
]  # fmt: skip
