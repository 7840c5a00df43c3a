"""Convolution, batch normalisation and ReLU as one operation."""

from __future__ import annotations

import numpy as np

from ...functional import activate, batch_norm_inference, plan
from ...problem import ConvProblem
from .claim import HOLDS, NOT, PARTLY, Claim, Verdict
from .timing import convolutions, fastest, operands, timings
from .words import ratio, times

__all__ = ["CLAIM"]

_LAYERS = {
    name: ConvProblem.parse(shape, memory_format="nhwc")
    for name, shape in {
        "3x3": "1x64x56x56,64x3x3,p1",
        "1x1": "8x64x56x56,256x1x1",
        "depthwise": "1x128x56x56,128x3x3,p1,g128",
        "first": "1x3x224x224,64x3x3,p1",
    }.items()
}
# 30%, less what a shared machine may take.
_LEAST = 1.2
_EPS = 1e-5


def folded(w, gamma, beta, mean, var):
    """Weights and bias of the convolution that is batch normalisation after one with `w`: an affine map of each filter."""
    factor = gamma / np.sqrt(var + _EPS)
    return (w * factor[:, None, None, None]).astype(w.dtype), (beta - mean * factor).astype(w.dtype)


def _measure(seconds):
    found = []
    rng = np.random.default_rng(1)
    share = seconds / (2 * len(_LAYERS))
    for name, problem in _LAYERS.items():
        x, w, out = operands(problem)
        gamma, beta, mean = (rng.uniform(0.5, 1.5, problem.out_channels).astype(x.dtype) for _ in range(3))
        var = rng.uniform(0.5, 1.5, problem.out_channels)
        algorithm = fastest(convolutions(problem), share)
        planned = plan(problem, algorithm=algorithm)
        conv, fused = planned.prepare(w), planned.prepare(*folded(w, gamma, beta, mean, var), activation="relu")
        calls = {
            "separate": _separate(conv, x, (gamma, beta, mean, var), out),
            "fused": lambda fused=fused, x=x, out=out: fused(x, out=out),
        }
        timed = timings(calls, share)
        found.append(ratio(name, f"{name}, {problem}, {algorithm}: three operations / one", timed, "separate", "fused"))
    return found


def _separate(conv, x, statistics, out):
    """Three passes, each in place: no memory is allocated on the way."""

    def run():
        conv(x, out=out)
        batch_norm_inference(out, *statistics, eps=_EPS, out=out)
        activate(out, "relu", out=out)

    return run


def _judge(found):
    least, most = (choose(found, key=found.get) for choose in (min, max))
    here = f"{times(found[least])} ({least}) to {times(found[most])} ({most})"
    rest = "What is saved are two passes over the result, so the gain is that of their time over the convolution's"
    if found[least] >= _LEAST:
        return Verdict(HOLDS, here, f"{rest}.")
    if found[most] >= _LEAST:
        few = ", ".join(name for name, value in found.items() if value < _LEAST)
        return Verdict(PARTLY, here, f"{rest}: less where the convolution takes long beside them ({few}).")
    return Verdict(NOT, here, f"{rest}: the convolution takes nearly all of it.")


CLAIM = Claim(
    name="fusion",
    title="Convolution, batch norm and ReLU fused",
    section="Performance optimizations: operator fusion",
    quotes=("x = conv_bn_relu_fused(input)  # ~30% speedup",),
    stated="~30%",
    span=(1.3, 1.3),
    method=(
        "In inference: convolution, batch normalisation and ReLU as three operations, the latter two in place, against one "
        "convolution with the normalisation folded into its weights and bias and the ReLU applied as it stores; "
        "channels-last, the fastest algorithm for the layer in both, weights packed before."
    ),
    criterion="Holds if one operation is at least 1.2 times as fast as three on every layer; partly, if on some.",
    measure=_measure,
    judge=_judge,
)
