"""The timing loop of the library, and what it times: algorithms with the operands of one problem.

Contenders take turns, so that a slow spell of the machine hits all of them, and each one's figure is its fastest turn:
interference can only slow a call.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import statistics
import threading
import time

import numpy as np

from .. import threads
from ..algorithms.base import as_activation
from ..arrays import empty
from ..workspace import aligned_empty
from .record import Measurement, Rejection

__all__ = ["Timing", "measure", "measuring", "race"]

# A turn lasts at least this long, so that the clock's resolution and the call's overhead do not show.
_TURN_SECONDS = 5e-4
_MAX_CALLS = 200
# Turns every contender gets before the slow ones stop, and turns all others get whatever the time.
_TRIAL_TURNS = 2
_MIN_TURNS = 4
# Contenders slower than the best by this factor after the trial turns stop: no noise seen makes up for it.
_HOPELESS = 2.0
# Contenders this close to the best get as many turns again.
_NEAR_TIE = 0.05
# Packing is timed for this share of the time given to running.
_PACK_SHARE = 0.2

_log = logging.getLogger("fastconv")

# One measurement at a time in a process: two would time each other.
measuring = threading.RLock()


@dataclasses.dataclass(frozen=True)
class Timing:
    """Fastest seconds per call over all turns, and how far their median lies above it, relatively."""

    seconds: float
    spread: float
    turns: int


def race(contenders, seconds):
    """Time callables in turns.

    Parameters
    ----------
    contenders : dict of str to callable
        Called without arguments.
    seconds : float
        Aimed at for all turns together; slow contenders may take longer, because each gets a few turns in any case.

    Returns
    -------
    dict of str to Timing
    """
    turns = {name: [] for name in contenders}
    calls = {}
    for name, call in contenders.items():
        call()
        calls[name] = max(1, min(_MAX_CALLS, round(_TURN_SECONDS / max(_time(call, 1), 1e-9))))

    def take_turns(names):
        # Back and forth, so that nobody always runs after the same neighbour.
        order = list(names) if len(turns[next(iter(names))]) % 2 else list(names)[::-1]
        for name in order:
            turns[name].append(_time(contenders[name], calls[name]))

    best = lambda: min(min(t) for t in turns.values())  # noqa: E731
    end = time.perf_counter() + seconds
    for _ in range(_TRIAL_TURNS):
        take_turns(contenders)
    running = [name for name in contenders if min(turns[name]) <= _HOPELESS * best()]
    rounds = _TRIAL_TURNS
    while rounds < _MIN_TURNS or time.perf_counter() < end:
        take_turns(running)
        rounds += 1
    close = [name for name in running if min(turns[name]) <= (1 + _NEAR_TIE) * best()]
    if len(close) > 1:
        for _ in range(rounds):
            take_turns(close)
    return {name: _timing(t) for name, t in turns.items()}


def measure(problem, algorithms, seconds):
    """Time algorithms on a problem, on the current number of threads.

    Parameters
    ----------
    problem : ConvProblem
    algorithms : list of ConvAlgorithm
        All of which support the problem.
    seconds : float
        Aimed at for the problem.

    Returns
    -------
    measured : dict of str to Measurement
    failed : dict of str to Rejection
        Algorithms that raised.
    """
    # Timed on one image where there is none, so that an empty batch has a plan too.
    problem = problem if problem.batch else problem.replace(batch=1)
    x, w, gy = _operands(problem)
    out_format = "nchw" if problem.direction == "weight_grad" else problem.memory_format
    out = empty(problem.result_shape, problem.dtype, out_format)
    main = gy if problem.direction == "input_grad" else x
    activation = as_activation(None)
    with measuring:
        token = threads.pin(threads.get_num_threads())
        try:
            scratch = aligned_empty(max((int(a.workspace(problem)) for a in algorithms), default=0))
            run, pack, failed = {}, {}, {}
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
            timings = race(run, seconds) if run else {}
            packing = race(pack, _PACK_SHARE * seconds) if pack else {}
        finally:
            threads.unpin(token)
    measured = {
        a.name: Measurement(
            timings[a.name].seconds,
            packing[a.name].seconds if a.name in packing else 0.0,
            timings[a.name].spread,
            int(a.workspace(problem)),
            float(a.error(problem)),
        )
        for a in algorithms
        if a.name in timings
    }
    return measured, failed


def _call(algorithm, problem, main, packed, activation, out, scratch):
    return lambda: algorithm.run(problem, main, packed, None, activation, out, scratch)


def _pack_call(algorithm, problem, w):
    return lambda: algorithm.pack(problem, w)


def _operands(problem):
    rng = np.random.default_rng(0)
    x = empty(problem.x_shape, problem.dtype, problem.memory_format)
    w = empty(problem.w_shape, problem.dtype)
    gy = empty(problem.y_shape, problem.dtype, problem.memory_format)
    for a in (x, w, gy):
        a[...] = rng.standard_normal(a.shape, dtype=a.dtype)
    return x, w, gy


def _time(call, calls):
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls


def _timing(turns):
    fastest = min(turns)
    return Timing(fastest, statistics.median(turns) / fastest - 1, len(turns))


def _after_fork():
    global measuring
    measuring = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
