"""Which algorithms may do a problem, and which of them is predicted to be fastest. Runs and times nothing."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..algorithms import machine, registry
from ..errors import UnsupportedProblemError
from . import calibration
from .record import fastest

__all__ = ["GOOD_PICK", "PRUNE_FACTOR", "Candidate", "best", "choose", "doubted", "forced", "judge", "survivors"]

# Candidates predicted to be slower than the best by more than this factor are not timed.
PRUNE_FACTOR = 3.0
# Measurements are in doubt if the fastest was predicted to take this many times as long as another that was timed.
DOUBT_FACTOR = 1.2
# A pick that is at most this much slower than the fastest counts as good.
GOOD_PICK = 1.25
# Products whose errors are at most so many eps count as exact: about what rounding them to float32 leaves.
_EXACT_PRODUCTS = 1.01


@dataclasses.dataclass(frozen=True)
class Candidate:
    """What is known of one algorithm for one problem before anything runs.

    Attributes
    ----------
    algorithm : ConvAlgorithm
    reason : str or None
        Why it may not be used; None: it may.
    kind : {None, "unsupported", "denied", "workspace", "precision"}
        The rule that `reason` comes from.
    predicted : float or None
        Seconds with packed weights; None where the algorithm does not support the problem, as for the three that follow.
    predicted_pack : float or None
        Seconds for packing the weights.
    workspace : int or None
        Bytes.
    error : float or None
        The published constant c, in units of the dtype's eps.
    """

    algorithm: object
    reason: str | None = None
    kind: str | None = None
    predicted: float | None = None
    predicted_pack: float | None = None
    workspace: int | None = None
    error: float | None = None

    @property
    def eligible(self):
        return self.reason is None

    def total(self, packed_once):
        """Seconds predicted for a call if weights are packed once, or else in every call."""
        return self.predicted if packed_once else self.predicted + self.predicted_pack


def judge(problem, config):
    """A `Candidate` for every registered algorithm, in order; this machine's calibration, if there is one, predicts."""
    algorithms = registry.registered()
    fallback = algorithms[-1]
    with machine.calibrated(calibration.load(config)):
        return [_judge_one(a, fallback, problem, config) for a in algorithms]


def survivors(candidates):
    """The eligible candidates that are not predicted to be far slower than the best, so worth timing."""
    eligible = [c for c in candidates if c.eligible]
    if not eligible:
        return []
    limits = {packed_once: PRUNE_FACTOR * min(c.total(packed_once) for c in eligible) for packed_once in (True, False)}
    return [c for c in eligible if any(c.total(packed_once) <= limit for packed_once, limit in limits.items())]


def doubted(measured, candidates):
    """Measured candidates whose times contradict the predictions: the fastest of a habit, and those predicted to beat it.

    Either the predictions are wrong, or the machine was in another state than usual, as when a neighbour's work slows one kind
    of instruction more than others.
    """
    timed = [c for c in candidates if c.eligible and c.algorithm.name in measured]
    names = set()
    for packed_once in (True, False):
        times = {c.algorithm.name: measured[c.algorithm.name].total(packed_once) for c in timed}
        winner = min(timed, key=lambda c: times[c.algorithm.name], default=None)
        rivals = [c for c in timed if DOUBT_FACTOR * c.total(packed_once) <= winner.total(packed_once)]
        names.update(c.algorithm.name for c in (winner, *rivals) if rivals)
    return [c for c in timed if c.algorithm.name in names]


def choose(problem, candidates, packed_once):
    """The eligible algorithm predicted to be fastest; on equal predictions the first."""
    eligible = [c for c in candidates if c.eligible]
    if not eligible:
        raise UnsupportedProblemError(
            f"algorithm: none is left for {problem}: "
            + "; ".join(f"{c.algorithm.name}: {c.reason}" for c in candidates)
            + "; relax deny, workspace_limit or precision (fc.config)"
        )
    return min(eligible, key=lambda c: c.total(packed_once)).algorithm


def best(record, candidates, packed_once):
    """The fastest of the measured candidates that may be used."""
    eligible = {c.algorithm.name: c.algorithm for c in candidates if c.eligible and c.algorithm.name in record.measured}
    if not eligible:
        reasons = "; ".join(f"{name}: {rejection.reason}" for name, rejection in record.rejected.items())
        raise UnsupportedProblemError(f"algorithm: none is left for {record.problem}: {reasons}")
    times = {name: record.measured[name].total(packed_once) for name in eligible}
    return eligible[fastest(times, eligible)]


def forced(name, problem, config):
    """The algorithm called `name`, held to the workspace limit only; raises with the reason if it cannot do the problem."""
    algorithm = registry.get(name)
    reason = algorithm.supports(problem)
    if reason is not None:
        raise UnsupportedProblemError(f"algorithm: {name!r} cannot do {problem} ({problem.direction}): {reason}")
    reason = _over_limit(algorithm.workspace(problem), config)
    if reason is not None:
        raise UnsupportedProblemError(f"algorithm: {name!r} for {problem}: {reason}; raise workspace_limit (fc.config)")
    return algorithm


def _judge_one(algorithm, fallback, problem, config):
    reason = algorithm.supports(problem)
    if reason is not None:
        return Candidate(algorithm, reason, "unsupported")
    known = {
        "predicted": float(algorithm.cost(problem)),
        "predicted_pack": float(algorithm.pack_cost(problem)),
        "workspace": int(algorithm.workspace(problem)),
        "error": float(algorithm.error(problem)),
    }
    if algorithm.name in config.deny:
        return Candidate(algorithm, "denied", "denied", **known)
    reason = _over_limit(known["workspace"], config)
    if reason is not None:
        return Candidate(algorithm, reason, "workspace", **known)
    reason = None if algorithm is fallback else _too_inaccurate(algorithm, known["error"], fallback, problem, config)
    return Candidate(algorithm, reason, reason and "precision", **known)


def _over_limit(workspace, config):
    if workspace <= config.workspace_limit:
        return None
    return f"needs {workspace} bytes of workspace, the limit is {config.workspace_limit}"


def _too_inaccurate(algorithm, error, fallback, problem, config):
    if config.precision == "medium":
        return None
    own = algorithm.method_error(problem)
    if config.precision == "highest":
        if not algorithm.local_non_finite:
            return "spreads NaN and Inf, which precision 'highest' forbids"
        if own is not None and own > _EXACT_PRODUCTS:
            return f"its products have errors of {own:.3g} eps"
        if error > fallback.error(problem):
            return f"its error bound {error:.3g} eps exceeds {fallback.name}'s {fallback.error(problem):.3g} eps"
        return None
    eps = float(np.finfo(problem.dtype).eps)
    if own is not None:
        return None if eps * own <= config.max_error else f"its error of {eps * own:.1e} exceeds {config.max_error:.1e}"
    # Rounding that grows with the number of terms is direct convolution's too; what counts is what comes on top of it.
    limit = config.max_error + eps * fallback.error(problem)
    return (
        None
        if eps * error <= limit
        else f"its error bound {eps * error:.1e} exceeds {fallback.name}'s by over {config.max_error:.1e}"
    )
