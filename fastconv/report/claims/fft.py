"""FFT convolution: from which kernel size it pays."""

from __future__ import annotations

from ...problem import ConvProblem
from .claim import HOLDS, NOT, PARTLY, Claim, Verdict
from .timing import convolutions, fastest, timings
from .words import ratio, times

__all__ = ["CLAIM"]

_KERNELS = (3, 5, 7, 9, 11, 15)
_SIZES = ", ".join(f"{k}x{k}" for k in _KERNELS)
_STATED = 7
# Formats of a layer of each kind, by kernel size k and padding p.
_KINDS = {"dense": "1x64x28x28,64x{k}x{k},p{p}", "depthwise": "1x128x56x56,128x{k}x{k},p{p},g128"}


def _measure(seconds):
    found = []
    share = seconds / (2 * len(_KINDS) * len(_KERNELS))
    for kind, shape in _KINDS.items():
        for k in _KERNELS:
            problem = ConvProblem.parse(shape.format(k=k, p=k // 2))
            calls = convolutions(problem)
            other = fastest({name: call for name, call in calls.items() if name != "fft"}, share)
            timed = timings({name: calls[name] for name in (other, "fft")}, share)
            found.append(ratio(f"{kind} {k}x{k}", f"{kind}, {problem}: {other} / fft", timed, other, "fft"))
    return found


def _pays_from(found, kind):
    """The least kernel from which on FFT is the fastest; None if it is not at the largest."""
    least = None
    for k in reversed(_KERNELS):
        if found[f"{kind} {k}x{k}"] <= 1:
            break
        least = k
    return least


def _judge(found):
    least = {kind: _pays_from(found, kind) for kind in _KINDS}
    here = ", ".join(f"{kind}: " + (f"from {k}x{k}" if k else "never") for kind, k in least.items())
    at = {k: ", ".join(f"{kind} {times(found[f'{kind} {k}x{k}'])}" for kind in _KINDS) for k in (_STATED, _KERNELS[-1])}
    figures = "; ".join(f"at {k}x{k} {text}" for k, text in at.items())
    figures = f"The fastest other algorithm takes, relative to fft, {figures}."
    if all(k is not None and k <= _STATED for k in least.values()):
        return Verdict(HOLDS, here, figures)
    if any(least.values()):
        why = (
            f"{figures} In a depthwise layer nothing is summed over channels: a transform serves one product a point, where "
            "in a dense one it serves as many as there are filters."
        )
        return Verdict(PARTLY, here, why)
    return Verdict(NOT, here, figures)


CLAIM = Claim(
    name="fft",
    title="FFT for large kernels",
    section="Performance optimizations: fast convolution algorithms",
    quotes=("Efficient for large kernels", "Practical for kernel size ≥ 7\u00d77"),
    stated="from 7x7",
    span=None,
    method=(
        f"The algorithm fft against the fastest of all others, Winograd among them, on layers with kernels of {_SIZES}: dense, "
        "64 channels and 64 filters at 28x28, and depthwise, 128 channels at 56x56; weights packed before, batch 1."
    ),
    criterion=(
        "Holds if fft is the fastest at 7x7 and at every larger kernel measured, dense and depthwise; partly, if it is from "
        "some kernel on for one of them."
    ),
    measure=_measure,
    judge=_judge,
)
