"""Times algorithms on the operands of one problem, and stores what was found."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import threads
from ..algorithms.base import as_activation
from ..arrays import empty
from ..memory import aligned_empty
from . import heuristic, store
from .explain import Choice, Explanation, explain
from .memory import PLANS
from .options import get_config
from .race import Timing, race
from .record import Measurement, Record, Rejection

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..problem import ConvProblem

__all__ = ["EXHAUSTIVE_SECONDS", "MEASURE_SECONDS", "Survey", "Timings", "measure", "measured_record", "measuring", "survey"]

# Seconds given to one problem's timings, in all.
MEASURE_SECONDS = 0.25
EXHAUSTIVE_SECONDS = 1.0
# A survey leaves out what is predicted to take this many times as long as the whole survey should.
_SURVEY_LIMIT = 10.0

# Packing is timed for this share of the time given to running; and again as long together with the run that follows, where what
# was packed is in other caches than when one packed operand is read again and again. That is done if packing is so much of a
# run of one of those whose times for both are at most this many times as long as the fastest's.
_PACK_SHARE = 0.2
_PACK_COUNTS = 0.05
_NEAR_TOTAL = 1.5
# Those in doubt are timed again after these pauses, for so long each, as shares of the time given to all: a disturbance may
# have passed by then.
_DOUBT_PAUSES = (0.2, 0.4, 0.8)
_DOUBT_SHARE = 0.2
# The OpenMP and other thread pools of guests spin for milliseconds after each call.
_SETTLE_SECONDS = 0.01

_log = logging.getLogger("fastconv")

# One measurement at a time in a process: two would time each other.
measuring = threading.RLock()


class Timings(NamedTuple):
    """What `measure` found: figures by algorithm, why others have none, and the times of guests."""

    measured: dict[str, Measurement]
    failed: dict[str, Rejection]
    guests: dict[str, Timing]

    def merged(self, older):
        """These with what was found earlier for the same problem."""
        measured, guests = (
            earlier | {name: found.merged(earlier[name]) if name in earlier else found for name, found in later.items()}
            for later, earlier in ((self.measured, older.measured), (self.guests, older.guests))
        )
        failed = {name: reason for name, reason in (older.failed | self.failed).items() if name not in measured}
        return Timings(measured, failed, guests)


class Survey(NamedTuple):
    """What `survey` found: every algorithm with its figures or the reason why it has none, and all timings."""

    explanation: Explanation
    timings: Timings


def measure(problem, algorithms, seconds, guests=None):
    """Time algorithms on a problem, on the current number of threads.

    Parameters
    ----------
    problem : ConvProblem
    algorithms : list of ConvAlgorithm
        All of which support the problem.
    seconds : float
        Aimed at for the problem.
    guests : dict of str to callable, optional
        What else takes turns with the algorithms, for comparison; nothing of it is stored.

    Returns
    -------
    Timings
        Those that failed are the algorithms that raised.
    """
    # Timed on one image where there is none, so that an empty batch has a plan too.
    problem = problem if problem.batch else problem.replace(batch=1)
    main, w, gy = _operands(problem)
    out_format = "nchw" if problem.direction == "weight_grad" else problem.memory_format
    out = empty(problem.result_shape, problem.dtype, out_format)
    activation = as_activation(None)
    guests = guests or {}
    with measuring:
        n = threads.get_num_threads()
        token = threads.pin(n)
        try:
            scratch = aligned_empty(max((int(a.workspace(problem)) for a in algorithms), default=0), np.uint8)
            run, pack, both, failed = {}, {}, {}, {}
            for algorithm in algorithms:
                try:
                    packed = gy if problem.direction == "weight_grad" else algorithm.pack(problem, w)
                    call = _call(algorithm, problem, main, packed, activation, out, scratch)
                    call()
                except Exception as error:  # whatever a plug-in raises; the others still get their figures
                    _log.warning("%s failed on %s (%s): %r", algorithm.name, problem, problem.direction, error)
                    failed[algorithm.name] = Rejection("failed", f"raised {type(error).__name__}: {error}")
                    continue
                run[algorithm.name] = call
                if problem.direction != "weight_grad":
                    pack[algorithm.name] = _pack_call(algorithm, problem, w)
                    both[algorithm.name] = _whole_call(algorithm, problem, main, w, activation, out, scratch)
            timings = race(run, seconds, guests, _SETTLE_SECONDS if n > 1 else 0.0) if run else {}
            packing = _packing_seconds(timings, pack, both, _PACK_SHARE * seconds)
        finally:
            threads.unpin(token)
    measured = {
        a.name: Measurement(
            timings[a.name].seconds,
            packing.get(a.name, 0.0),
            timings[a.name].spread,
            int(a.workspace(problem)),
            float(a.error(problem)),
        )
        for a in algorithms
        if a.name in timings
    }
    return Timings(measured, failed, {name: timings[name] for name in guests if name in timings})


def measured_record(problem, candidates, timed, config, n, seconds, earlier=None):
    """Time some of the candidates, store what was found, and drop the plans in memory that rest on less.

    What contradicts the predictions is timed again, a few times with pauses between them, and each one's fastest counts; so do
    the figures of an `earlier` record.
    """
    timings = measure(problem, [c.algorithm for c in timed], seconds)
    if earlier is not None:
        timings = timings.merged(Timings(earlier.measured, earlier.failed, {}))
    for pause in _DOUBT_PAUSES:
        doubted = heuristic.doubted(timings.measured, candidates)
        if not doubted:
            break
        time.sleep(pause * seconds)
        timings = measure(problem, [c.algorithm for c in doubted], _DOUBT_SHARE * seconds).merged(timings)
    return _stored(problem, candidates, timings, config, n, 1 + (earlier.looks if earlier else 0))


def _stored(problem, candidates, timings, config, n, looks=1):
    least = min(c.predicted for c in candidates if c.eligible)
    rejected = {c.algorithm.name: _rejection(c, least) for c in candidates if c.algorithm.name not in timings.measured}
    record = Record(problem, n, timings.measured, rejected | timings.failed, looks, time.time())
    if timings.measured:
        store.save(record, config)
    PLANS.drop(lambda plan: plan.problem == problem)
    return record


def survey(
    problem: ConvProblem, *, seconds: float = EXHAUSTIVE_SECONDS, packed_once: bool = True,
    guests: dict[str, Callable[[], object]] | None = None, earlier: Survey | None = None,
) -> Survey:  # fmt: skip
    """Time every algorithm that supports a problem, whatever it is predicted to take, and whether or not it may be chosen.

    Left out, with the reason, are only those over the workspace limit and those predicted to take ten times `seconds`.

    Parameters
    ----------
    problem : ConvProblem
    seconds : float
        Aimed at for all timings together.
    packed_once : bool
        Whether the winner is the fastest with weights packed once, or in every call.
    guests : dict of str to callable, optional
        What else takes turns with the algorithms, for comparison: other libraries.
    earlier : Survey, optional
        Of the same problem, some time before: its fastest rounds count too, and the spreads take in what changed meanwhile.

    Returns
    -------
    Survey
        The ``source`` of its explanation is "measured". What may be chosen is stored as well.
    """
    config = get_config()
    n = threads.get_num_threads()
    candidates = heuristic.judge(problem, config)
    heuristic.choose(problem, candidates, packed_once)
    wanted = [c for c in candidates if c.kind in (None, "denied", "precision")]
    limit = max(_SURVEY_LIMIT * seconds, min(c.predicted for c in candidates if c.eligible))
    timed = [c for c in wanted if c.predicted <= limit]
    timings = measure(problem, [c.algorithm for c in timed], seconds, guests)
    if earlier is not None:
        timings = timings.merged(earlier.timings)
    record = _stored(problem, candidates, timings, config, n)
    choice = Choice(problem, heuristic.best(record, candidates, packed_once), "measured", config, n, packed_once, record)
    return Survey(explain(choice), timings)


def _rejection(candidate, least):
    """Why a candidate was not timed, if `least` is the time predicted for the best."""
    if not candidate.eligible:
        return Rejection(candidate.kind, candidate.reason, candidate.predicted)
    times = candidate.predicted / least if least > 0 else float("inf")
    return Rejection("pruned", f"predicted to take {times:.1f} times as long as the best; not timed", candidate.predicted)


def _call(algorithm, problem, main, packed, activation, out, scratch):
    return lambda: algorithm.run(problem, main, packed, None, activation, out, scratch)


def _pack_call(algorithm, problem, w):
    return lambda: algorithm.pack(problem, w)


def _whole_call(algorithm, problem, main, w, activation, out, scratch):
    return lambda: algorithm.run(problem, main, algorithm.pack(problem, w), None, activation, out, scratch)


def _packing_seconds(timings, pack, both, seconds):
    """What packing adds to the run that follows it, by algorithm, or takes alone if that is more; for the nearly fastest."""
    if not pack:
        return {}
    alone = {name: timing.seconds for name, timing in race(pack, seconds).items()}
    totals = {name: timings[name].seconds + alone[name] for name in alone}
    near = [name for name, total in totals.items() if total <= _NEAR_TOTAL * min(totals.values())]
    counts = any(alone[name] >= _PACK_COUNTS * timings[name].seconds for name in near)
    whole = race({name: both[name] for name in near}, seconds) if counts else {}
    return alone | {name: max(alone[name], timing.seconds - timings[name].seconds) for name, timing in whole.items()}


def _operands(problem):
    """What `run` takes as x, the weights (None for weight gradients), and for weight gradients gy."""
    rng = np.random.default_rng(0)

    def random(shape, memory_format):
        a = empty(shape, problem.dtype, memory_format)
        a[...] = rng.standard_normal(shape, dtype=a.dtype)
        return a

    main = random(problem.y_shape if problem.direction == "input_grad" else problem.x_shape, problem.memory_format)
    if problem.direction == "weight_grad":
        return main, None, random(problem.y_shape, problem.memory_format)
    return main, random(problem.w_shape, "nchw"), None


def _after_fork():
    global measuring
    measuring = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
