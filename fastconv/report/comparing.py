"""Running every algorithm on every layer, and other libraries in turns with them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..functional import plan
from ..selection.measure import survey
from ..threads import get_num_threads
from . import peers as libraries
from .accuracy import Accuracy
from .comparison import Comparison, Measurement, Row

if TYPE_CHECKING:
    from ..selection.rates import Peaks
    from .tables import Layer

__all__ = ["compare"]

# The error, as a fraction of |x| conv |w|, from which on a library's result is not that of this convolution.
_WRONG = 1e-3

_log = logging.getLogger("fastconv")


def compare(
    layers: Sequence[Layer],
    *,
    title: str = "",
    seconds: float = 0.5,
    passes: int = 3,
    settings: dict[str, Any] | None = None,
    environment: dict[str, str] | None = None,
    peaks: Peaks | None = None,
    peers: bool = False,
    progress: Callable[[Sequence[Layer]], Iterable[Layer]] = iter,
    rng: int | np.random.Generator = 0,
) -> Comparison:
    """Run every algorithm on every layer.

    Thread count, precision and the other filters are those in force (`fastconv.num_threads`, `fastconv.config`).

    Parameters
    ----------
    layers : sequence of Layer
        From `load_layers`.
    title : str
    seconds : float
        Time given to the measurement of each layer, in all passes together.
    passes : int
        How often all layers are gone through: what a machine does for some seconds then hits a part of each layer's rounds, and
        shows in their spread.
    settings, environment : dict, optional
        Kept with the result.
    peaks : fastconv.selection.rates.Peaks, optional
        Kept with the result, for its roofline.
    peers : bool
        Whether PyTorch, ONNX Runtime and OpenVINO, where they are installed, take turns with the algorithms.
    progress : callable
        Wraps the sequence of layers, all passes in one, as `tqdm.tqdm` does.
    rng : int or numpy.random.Generator
        Source of the data that errors are measured on.

    Returns
    -------
    Comparison

    Examples
    --------
    >>> from fastconv.report.tables import load_layers
    >>> found = compare(load_layers("1x4x8x8,4x3x3,p1"), title="small", seconds=0.01)
    >>> found.rows[0].winner.seconds > 0
    True
    """
    rng = np.random.default_rng(rng)
    nobody: tuple[list[libraries.Peer], dict[str, str]] = ([], {})
    opened: contextlib.AbstractContextManager[tuple[list[libraries.Peer], dict[str, str]]]
    opened = libraries.opened(get_num_threads()) if peers else contextlib.nullcontext(nobody)
    found = [_Layer(layer) for layer in layers]
    with opened as (present, missing):
        for number, _ in enumerate(progress([*layers] * passes)):
            found[number % len(found)].measure(seconds / passes, rng, present)
        versions = {peer.name: peer.version for peer in present}
    rows = tuple(one.row() for one in found)
    return Comparison(title, rows, settings or {}, environment or {}, versions, missing, peaks)


class _Layer:
    """What is known of one layer after some passes."""

    def __init__(self, layer):
        self.layer = layer
        self.survey = None
        self.errors = {}
        self.refused = {}

    def measure(self, seconds, rng, present):
        problem = self.layer.problem
        accuracy = Accuracy(problem, rng)
        guests = self._guests(accuracy, [peer for peer in present if peer.name not in self.refused])
        self.survey = survey(problem, seconds=seconds, guests=guests, earlier=self.survey)
        for candidate in self.survey.explanation.rows:
            # The reference takes long, so errors are measured once.
            if candidate.seconds is not None and candidate.name not in self.errors:
                self.errors[candidate.name] = accuracy.of(candidate.name)

    def _guests(self, accuracy, present):
        """The calls of the peers that can do the problem; the others are noted with their reasons."""
        problem, guests = self.layer.problem, {}
        for peer in present:
            reason = peer.supports(problem)
            if reason is not None:
                self.refused[peer.name] = Measurement(peer.name, kind="unsupported", reason=reason)
                continue
            try:
                call = peer.prepare(problem, accuracy.operands)
                result = call()
            except Exception as error:  # whatever another library raises; the rest still gets its figures
                _log.warning("%s failed on %s (%s): %r", peer.name, problem, problem.direction, error)
                reason = f"raised {type(error).__name__}: {error}"
                self.refused[peer.name] = Measurement(peer.name, kind="failed", reason=reason)
                continue
            guests[peer.name] = call
            if peer.name not in self.errors:
                self.errors[peer.name] = accuracy.error_of(result)
        return guests

    def row(self):
        explanation, timings = self.survey
        return Row(
            self.layer,
            tuple(_measurement(candidate, self.errors.get(candidate.name)) for candidate in explanation.rows),
            plan(self.layer.problem, effort="heuristic").algorithm.name,
            explanation.algorithm,
            tuple(_guest(name, timing, self.errors[name]) for name, timing in timings.guests.items())
            + tuple(self.refused.values()),
        )


def _guest(name, timing, error):
    wrong = error is not None and not error <= _WRONG
    kind, reason = ("failed", f"its result is off by {error:.0e} of |x| conv |w|") if wrong else (None, None)
    return Measurement(name, timing.seconds, timing.spread, error=error, kind=kind, reason=reason)


def _measurement(candidate, error):
    refused = candidate.kind not in (None, "slower")
    return Measurement(
        candidate.name, candidate.seconds, candidate.spread, candidate.predicted, candidate.pack_seconds, candidate.workspace,
        error, candidate.error, candidate.kind if refused else None, candidate.reason if refused else None,
    )  # fmt: skip
