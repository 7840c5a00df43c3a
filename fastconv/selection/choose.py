"""The decision: forced by name, locked in a file, stored, measured now, or predicted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .. import threads
from ..errors import MissingPlanError, UnsupportedProblemError
from . import heuristic, measure, store
from .explain import Choice

if TYPE_CHECKING:
    from ..problem import ConvProblem
    from .options import Config

__all__ = ["select"]

# Measurements in doubt are made this often in all, so many seconds apart at least: the machine may be in another state by then.
_MOST_LOOKS = 3
_SECONDS_BETWEEN_LOOKS = 60.0


def select(problem: ConvProblem, algorithm: str, config: Config, packed_once: bool, seconds: float | None = None) -> Choice:
    """Choose an algorithm on the current number of threads.

    Parameters
    ----------
    problem : ConvProblem
    algorithm : str
        A name, or "auto".
    config : Config
    packed_once : bool
        The habit of the real use: weights packed once, or in every call.
    seconds : float, optional
        Time for measuring, if that is needed.

    Returns
    -------
    Choice

    Raises
    ------
    UnknownAlgorithmError, UnsupportedProblemError, MissingPlanError
    """
    n = threads.get_num_threads()
    token = threads.pin(n)
    try:
        chosen, source, record = _decide(problem, algorithm, config, packed_once, n, seconds)
    finally:
        threads.unpin(token)
    return Choice(problem, chosen, source, config, n, packed_once, record)


def _decide(problem, algorithm, config, packed_once, n, seconds):
    if algorithm != "auto":
        return heuristic.forced(algorithm, problem, config), "forced", None
    candidates = heuristic.judge(problem, config)
    predicted = heuristic.choose(problem, candidates, packed_once)
    locked = config.lock and config.lock.get(problem, n, packed_once)
    if locked:
        return _eligible(locked, candidates), "lock", None
    if config.effort == "heuristic":
        return predicted, "heuristic", None
    if config.effort == "exhaustive":
        record = _measure(problem, candidates, config, n, seconds or measure.EXHAUSTIVE_SECONDS, everything=True)
        return heuristic.best(record, candidates, packed_once), "measured", record
    record = store.load(problem, n, config)
    if _covers(record, candidates) and not (config.effort == "measure" and _to_look_at(record, candidates)):
        return heuristic.best(record, candidates, packed_once), "stored", record
    if config.effort == "cached":
        return predicted, "heuristic", None
    if config.effort == "replay":
        raise MissingPlanError(
            f"effort: 'replay' found no stored plan for {problem} ({problem.direction}, {problem.dtype}, "
            f"{problem.memory_format}, {n} thread(s)); measure it with fastconv.autotune or `fastconv tune`"
        )
    with measure.measuring:
        # Another thread may have measured it while this one waited for its turn.
        record = store.load(problem, n, config)
        seconds = seconds or measure.MEASURE_SECONDS
        if not _covers(record, candidates):
            record = _measure(problem, candidates, config, n, seconds, everything=False)
        elif doubted := _to_look_at(record, candidates):
            record = measure.measured_record(problem, candidates, doubted, config, n, seconds, earlier=record)
    return heuristic.best(record, candidates, packed_once), "measured", record


def _eligible(locked, candidates):
    for candidate in candidates:
        if candidate.algorithm.name == locked.algorithm:
            if candidate.eligible:
                return candidate.algorithm
            raise UnsupportedProblemError(
                f"lock: {locked.algorithm!r}, locked for {locked}, may not be used: {candidate.reason}"
            )
    raise MissingPlanError(f"lock: {locked.algorithm!r}, locked for {locked}, is not registered here")


def _covers(record, candidates):
    """Whether every candidate that would be timed has been timed, or has failed."""
    if record is None:
        return False
    eligible = {c.algorithm.name for c in candidates if c.eligible}
    wanted = {c.algorithm.name for c in heuristic.survivors(candidates)}
    return wanted <= record.measured.keys() | record.failed.keys() and bool(eligible & record.measured.keys())


def _to_look_at(record, candidates):
    """Those in doubt of what was stored some time ago, if it has not been confirmed often enough."""
    if record.looks >= _MOST_LOOKS or time.time() - record.time < _SECONDS_BETWEEN_LOOKS:
        return []
    return heuristic.doubted(record.measured, candidates)


def _measure(problem, candidates, config, n, seconds, everything):
    timed = [c for c in candidates if c.eligible] if everything else heuristic.survivors(candidates)
    return measure.measured_record(problem, candidates, timed, config, n, seconds)
