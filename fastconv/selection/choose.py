"""The decision: forced, locked, stored, measured or predicted."""

from __future__ import annotations

import dataclasses

from .. import threads
from ..errors import MissingPlanError
from . import heuristic

__all__ = ["Choice", "select"]


@dataclasses.dataclass(frozen=True)
class Choice:
    """An algorithm and where it came from."""

    problem: object
    algorithm: object
    source: str
    config: object
    threads: int
    packed_once: bool

    def explain(self):
        """The `Explanation` of this choice."""
        from .explain import explain

        return explain(self)


def select(problem, algorithm, config, packed_once):
    n = threads.get_num_threads()
    if algorithm != "auto":
        return Choice(problem, heuristic.forced(algorithm, problem, config), "forced", config, n, packed_once)
    candidates = heuristic.judge(problem, config)
    return Choice(problem, heuristic.choose(problem, candidates).algorithm, "heuristic", config, n, packed_once)
