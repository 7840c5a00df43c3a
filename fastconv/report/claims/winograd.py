"""Winograd's minimal filtering: multiplications saved, and time."""

from __future__ import annotations

from ...algorithms import get
from ...problem import ConvProblem
from .claim import HOLDS, NOT, PARTLY, Claim, Figure, Verdict
from .timing import convolutions, fastest, timings
from .words import ratio, times

__all__ = ["CLAIM"]

_LAYERS = {
    "64 at 56x56": ConvProblem.parse("1x64x56x56,64x3x3,p1"),
    "128 at 28x28": ConvProblem.parse("1x128x28x28,128x3x3,p1"),
    "256 at 14x14": ConvProblem.parse("1x256x14x14,256x3x3,p1"),
}
_DIRECT = ("direct", "implicit_gemm", "im2col")
_TILES = ("winograd2x2", "winograd4x4", "winograd6x6")
# The tile that the guide's figure is of.
_STATED, _FACTOR = "winograd2x2", 2.25
# What is left of a factor after a tenth for the noise of a shared machine.
_SHARE = 0.9


def _measure(seconds):
    found = []
    for name in _TILES:
        tile = get(name)
        direct = (tile.m * tile.r) ** 2
        label = f"multiplications a tile and channel: direct / {name}"
        found.append(
            Figure(f"{name}, multiplications", label, direct / tile.points, f"{direct} / {tile.points}", name != _STATED)
        )
    share = seconds / (2 * len(_LAYERS))
    for layer, problem in _LAYERS.items():
        calls = convolutions(problem, (*_DIRECT, *_TILES))
        direct = fastest({name: calls[name] for name in _DIRECT}, share)
        timed = timings({name: calls[name] for name in (direct, *_TILES)}, share)
        for name in _TILES:
            label = f"{problem}: time of {direct} / {name}"
            found.append(ratio(f"{name}, {layer}", label, timed, direct, name, beside=name != _STATED))
    return found


def _judge(found):
    saved = found[f"{_STATED}, multiplications"]
    speed = [found[f"{_STATED}, {layer}"] for layer in _LAYERS]
    best = [max(found[f"{name}, {layer}"] for name in _TILES) for layer in _LAYERS]
    here = f"{times(saved)} fewer multiplications; {times(min(speed))} to {times(max(speed))} in time"
    others = f"with the best of the tiles 2x2, 4x4 and 6x6 {times(min(best))} to {times(max(best))}"
    fewer = abs(saved - _FACTOR) < 0.005
    if fewer and min(speed) >= _SHARE * _FACTOR:
        return Verdict(HOLDS, here, f"The time falls as the multiplications do; {others}.")
    if fewer and max(speed) > 1:
        kept = f"{min(speed) / saved:.0%} to {max(speed) / saved:.0%}"
        why = (
            f"The multiplications are as few as said. In time F(2x2, 3x3) keeps {kept} of that: its transforms add and move "
            f"data, which the count leaves out. Larger tiles save more multiplications, 4 and 5.06 times: {others}."
        )
        return Verdict(PARTLY, here, why)
    return Verdict(NOT, here, f"Transforms and traffic take what the multiplications save; {others}.")


CLAIM = Claim(
    name="winograd",
    title="Winograd for 3x3 kernels",
    section="Performance optimizations: fast convolution algorithms",
    quotes=("Reduces multiplications for small kernels (3\u00d73)", "~2.25x speedup over direct convolution"),
    stated="2.25x",
    span=(_FACTOR, _FACTOR),
    method=(
        "Multiplications of F(2x2, 3x3) counted from the algorithm's own tile: 4 x 4 products for 2 x 2 outputs, which take 36 "
        "directly. Time against the fastest of the algorithms that sum products directly (direct, implicit_gemm, im2col), all "
        "vectorised, weights packed before, on 3x3 layers of ResNet-50 at batch 1."
    ),
    criterion=(
        "Holds if the multiplications are 2.25 times fewer and winograd2x2 is at least 0.9 x 2.25 times as fast on all three "
        "layers; partly, if the multiplications are and it is faster on one layer at least."
    ),
    measure=_measure,
    judge=_judge,
)
