"""Depthwise-separable convolution: parameters, and time."""

from __future__ import annotations

from ... import nn
from .claim import HOLDS, NOT, PARTLY, Claim, Figure, Verdict
from .timing import operands, timings
from .words import ratio, times

__all__ = ["CLAIM"]

_FILTERS = (16, 32, 64, 128, 256, 512, 1024)
# The reduction is 9 k / (9 + k) for k filters, whatever the channels; what rounds to 8 or 9.
_LEAST, _MOST = 7.5, 9.5
# Filters of most layers of the networks that use them (MobileNet v1: 64 to 1024).
_USUAL = (64, 128, 256, 512, 1024)
_TIMED = (128, 28)


def _pair(filters):
    """A convolution, and the two that take its place."""
    options = {"in_channels": filters, "padding": 1, "bias": False, "rng": 0}
    return nn.Conv2D(filters, 3, **options), nn.DepthwiseSeparableConv(filters, 3, **options)


def _measure(seconds):
    found = []
    for filters in _FILTERS:
        standard, separable = _pair(filters)
        counts = [sum(p.size for p in layer.parameters()) for layer in (standard, separable)]
        label = f"parameters, {filters} channels and filters: standard / separable"
        detail = "{:,} / {:,}".format(*counts)
        found.append(Figure(f"{filters} filters", label, counts[0] / counts[1], detail, filters not in _USUAL))
    filters, side = _TIMED
    standard, separable = _pair(filters)
    x, _, _ = operands(standard.problem((1, filters, side, side)))
    timed = timings({"standard": lambda: standard.infer(x), "separable": lambda: separable.infer(x)}, seconds)
    label = f"time, {filters} channels and filters at {side}x{side}: standard / separable"
    return [*found, ratio(f"time, {filters} filters", label, timed, "standard", "separable", beside=True)]


def _judge(found):
    usual = [found[f"{filters} filters"] for filters in _USUAL]
    here = f"{times(min(usual))} to {times(max(usual))} fewer from 64 to 1024 filters"
    few, fewer = (times(found[f"{filters} filters"]) for filters in (32, 16))
    time = times(found[f"time, {_TIMED[0]} filters"])
    why = (
        f"It is 9 k / (9 + k) for k filters: fewer filters gain less, {few} with 32 and {fewer} with 16. In time a layer of "
        f"{_TIMED[0]} filters gains {time}: the standard convolution has Winograd, the depthwise part none."
    )
    if all(_LEAST <= value < _MOST for value in usual):
        return Verdict(HOLDS, here, why)
    return Verdict(PARTLY if any(_LEAST <= value < _MOST for value in usual) else NOT, here, why)


CLAIM = Claim(
    name="separable",
    title="Depthwise-separable convolution",
    section="Advanced topics: depthwise separable convolutions",
    quotes=("For 3\u00d73 conv: ~8-9x fewer parameters!",),
    stated="8-9x",
    span=(8, 9),
    method=(
        "Parameters counted from the layers Conv2D and DepthwiseSeparableConv, 3x3, without biases, as many filters as "
        f"channels; the time of inference of one such pair, {_TIMED[0]} filters at {_TIMED[1]}x{_TIMED[1]}, beside it."
    ),
    criterion="Holds if the reduction rounds to 8 or 9 for every width from 64 to 1024 filters; partly, for some of them.",
    measure=_measure,
    judge=_judge,
)
