"""Measures the constants of this machine: rates of its units, then the factors of each algorithm on small varied problems.

rates      of multiply-adds, caches, memory, calls and threads
  |
samples    every algorithm on `calibration_problems`, with its terms at these rates
  |
fit        factors, starting from the constants in force
"""

from __future__ import annotations

import dataclasses
import time

import numpy as np

from ..algorithms import get, machine
from ..algorithms.modelled import Modelled
from ..kernels import cpu
from ..problem import DIRECTIONS, MEMORY_FORMATS, ConvProblem
from ..threads import num_threads
from . import calibration, heuristic
from .fit import fit
from .measure import measure
from .options import get_config
from .rates import measured_rates

__all__ = ["Calibration", "calibrate", "calibration_problems"]

# None of them is a layer of a shipped table, so that the tables test the result.
_SHAPES = (
    # 3x3
    "1x32x28x28,48x3x3,p1", "1x96x20x20,96x3x3,p1", "1x24x64x64,24x3x3,p1", "1x192x12x12,160x3x3,p1", "1x320x8x8,320x3x3,p1",
    "1x448x6x6,448x3x3,p1", "8x48x16x16,48x3x3,p1", "4x16x30x30,32x3x3,p1", "1x64x100x100,64x3x3,p1", "1x3x128x128,32x3x3,p1",
    "16x96x6x6,96x3x3,p1", "16x3x30x30,32x3x3,p1", "1x192x40x40,256x3x3,p1", "1x20x33x31,36x3x3,p1",
    "1x480x14x14,480x3x3,p1",
    # 3x3 of few channels
    "1x3x200x200,64x3x3,p1", "1x1x90x90,16x3x3,p1", "1x4x60x60,48x3x3,p1", "16x3x32x32,64x3x3,p1",
    # strided
    "1x48x40x40,64x3x3,s2,p1", "1x192x20x20,192x3x3,s2,p1", "8x96x16x16,128x3x3,s2,p1", "1x3x160x160,32x7x7,s2,p3",
    "8x48x24x24,96x3x3,s2,p1", "16x160x10x10,256x3x3,s2,p1", "1x96x48x48,96x3x3,s2,p1", "1x384x12x12,320x3x3,s2,p1",
    "1x3x128x128,48x8x8,s8", "1x3x160x160,48x9x9,s4,p2", "1x3x160x160,32x3x3,s2,p1",
    # 1x1
    "1x96x28x28,128x1x1", "1x320x14x14,192x1x1", "1x192x15x15,768x1x1", "1x640x7x7,320x1x1", "1x48x60x60,192x1x1",
    "1x192x60x60,48x1x1", "1x192x28x28,256x1x1,s2", "4x128x8x8,256x1x1",
    "1x32x50x50,24x1x1", "1x6x50x50,32x1x1", "16x48x24x24,96x1x1,s2",
    # larger kernels
    "1x48x20x20,48x5x5,p2", "1x32x40x40,32x5x5,p2", "1x80x12x12,96x5x5,p2", "1x48x28x28,48x7x7,p3", "1x16x60x60,24x7x7,p3",
    "1x16x48x48,16x11x11,p5", "1x12x60x60,12x17x17,p8", "1x96x15x15,96x1x7,p0x3", "16x1x28x28,16x5x5,p2",
    # rows and columns
    "1x96x30x30,96x1x3,p0x1", "1x48x40x44,64x3x1,p1x0", "1x160x1x600,192x1x3,p0x1", "1x80x1x1600,96x1x5,p0x2",
    "4x64x16x16,64x5x1,p2x0", "8x128x1x100,128x1x3,p0x1",
    # dilated, grouped
    "1x96x30x30,96x3x3,p2,d2", "1x128x30x30,96x3x3,p8,d8", "1x64x28x28,64x3x3,p1,g4", "1x160x16x16,160x3x3,p1,g20",
    "1x96x20x20,96x3x3,p1,g24", "1x128x24x24,128x3x3,s2,p1,g8",
    # depthwise
    "1x48x40x40,48x3x3,p1,g48", "1x192x15x15,192x3x3,p1,g192", "1x96x30x30,96x3x3,s2,p1,g96", "1x384x8x8,384x3x3,p1,g384",
    "1x96x24x24,96x5x5,p2,g96", "1x64x28x28,64x7x7,p3,g64", "1x64x20x20,64x11x11,p5,g64", "1x32x48x48,32x25x25,p12,g32",
    # few filters
    "1x48x48x48,4x3x3,p1", "1x64x60x60,1x3x3,p1", "4x96x24x24,2x3x3,p1", "1x64x120x120,1x1x1", "1x96x40x40,5x1x1",
    "2x32x64x64,12x3x3,p1", "1x48x150x150,1x3x3,p1", "8x40x28x28,6x5x5,p2",
    # batches of small images
    "32x128x4x4,128x3x3,p1", "32x96x8x8,96x3x3,p1", "32x64x8x8,96x3x3,s2,p1", "48x320x5x5,256x3x3,p1",
    # groups of few filters
    "1x48x64x64,48x3x3,p1,g12", "1x64x96x96,64x3x3,s2,p1,g8",
)  # fmt: skip
# Visits shapes, formats and directions evenly, so that a budget that ends early has seen some of each; prime.
_STRIDE = 131

# A problem's timings; candidates predicted to take this many times as long as the best are left out.
_PROBLEM_SECONDS = 0.12
_PRUNE = 8.0
# The least weight of an algorithm far behind the best: only near the best do predictions decide.
_LEAST_WEIGHT = 0.05


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What calibrating found.

    Attributes
    ----------
    constants : Constants
    problems : int
        How many were measured.
    before, after : float
        Share of them on which the pick of the heuristic takes at most `heuristic.GOOD_PICK` times as long as the fastest.
    """

    constants: machine.Constants
    problems: int
    before: float
    after: float


def calibration_problems():
    """The built-in problems: every shape in all directions and memory formats."""
    problems = [
        ConvProblem.parse(shape, direction=direction, memory_format=memory_format)
        for shape in _SHAPES
        for direction in DIRECTIONS
        for memory_format in MEMORY_FORMATS
    ]
    return [problems[i * _STRIDE % len(problems)] for i in range(len(problems))]


def calibrate(*, time_budget=None, progress=iter):
    """Measure this machine on the instruction set in use; nothing is stored.

    Parameters
    ----------
    time_budget : float, optional
        Seconds after which no further problem is measured; with few problems the factors stay near those in force.
    progress : callable
        Wraps the list of problems, as `tqdm.tqdm` does.

    Returns
    -------
    Calibration
    """
    end = time.monotonic() + (np.inf if time_budget is None else time_budget)
    before = calibration.load(get_config()) or machine.shipped(cpu.isa())
    rates = dataclasses.replace(before, **measured_rates(before))
    measured = {}
    with num_threads(1), machine.calibrated(before):
        for problem in progress(calibration_problems()):
            if measured and time.monotonic() > end:
                break
            measured[problem] = _measured(problem)
        found = dataclasses.replace(rates, factors=_factors(rates, measured))
        shares = [_good_share(constants, measured) for constants in (before, found)]
    return Calibration(found, len(measured), *shares)


def _measured(problem):
    candidates = heuristic.judge(problem, get_config().replace(precision="medium"))
    eligible = [c for c in candidates if c.eligible]
    least = min(c.predicted for c in eligible)
    timed = [c.algorithm for c in eligible if c.predicted <= _PRUNE * least]
    return measure(problem, timed, _PROBLEM_SECONDS)[0]


def _factors(rates, measured):
    """The factors of all models at new rates; those without a sample keep theirs."""
    samples = {}
    with machine.calibrated(rates):
        for problem, figures in measured.items():
            best = min(figure.seconds for figure in figures.values())
            for name, figure in figures.items():
                algorithm = get(name)
                if not isinstance(algorithm, Modelled):
                    continue
                weight = max(_LEAST_WEIGHT, best / figure.seconds)
                samples.setdefault(algorithm.model(problem), []).append((algorithm.terms(problem), figure.seconds, weight))
                if figure.pack_seconds:
                    pack = algorithm.pack_terms(problem), figure.pack_seconds, 1.0
                    samples.setdefault(algorithm.pack_model(problem), []).append(pack)
    return rates.factors | {model: fit(rows, rates.factors.get(model, {})) for model, rows in sorted(samples.items())}


def _good_share(constants, measured):
    good = 0
    with machine.calibrated(constants):
        for problem, figures in measured.items():
            pick = min(figures, key=lambda name: get(name).cost(problem))
            good += figures[pick].seconds <= heuristic.GOOD_PICK * min(figure.seconds for figure in figures.values())
    return good / len(measured)
