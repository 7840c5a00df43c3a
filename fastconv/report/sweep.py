"""Layers on a grid of kernel sizes, channels and image sizes: what no network has all of."""

from __future__ import annotations

from ..problem import ConvProblem

__all__ = ["DEPTHWISE_KERNELS", "KERNELS", "sweep_problems"]

KERNELS = (1, 3, 5, 7, 11)
DEPTHWISE_KERNELS = (3, 7)
_CHANNELS = (16, 32, 64, 128, 256, 512)
_DEPTHWISE_CHANNELS = (32, 128, 512)
_SIZES = (7, 14, 28, 56, 112)
# Larger layers, which take long, are left out: whoever wins at half of this wins there as well.
_MOST_FLOPS = 5e8


def sweep_problems():
    """By name, problems with as many filters as channels, stride 1 and an output as large as the image."""
    grid = [(k, c, 1) for k in KERNELS for c in _CHANNELS] + [(k, c, c) for k in DEPTHWISE_KERNELS for c in _DEPTHWISE_CHANNELS]
    found = {}
    for kernel, channels, groups in grid:
        for size in _SIZES:
            problem = ConvProblem.from_shapes(
                (1, channels, size, size), (channels, channels // groups, kernel, kernel), padding="same", groups=groups
            )
            if problem.flops <= _MOST_FLOPS:
                found[f"{'dw_' * (groups > 1)}{kernel}x{kernel}_{channels}_{size}"] = problem
    return found
