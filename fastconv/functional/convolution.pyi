from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..execution import Plan
from ..problem import ConvProblem

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad", "plan"]

Array: TypeAlias = NDArray[np.floating]
Pair: TypeAlias = int | tuple[int, int] | list[int]
Padding: TypeAlias = Literal["same", "valid"] | Pair | tuple[tuple[int, int], tuple[int, int]]
Activation: TypeAlias = Literal["relu", "relu6", "leaky_relu", "sigmoid", "silu"] | tuple[Literal["leaky_relu"], float] | None
Effort: TypeAlias = Literal["heuristic", "cached", "measure", "exhaustive", "replay"] | None

def conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
    activation: Activation = None,
    algorithm: str = "auto",
    out: Array | None = None,
) -> Array: ...
def conv2d_input_grad(
    gy: Array,
    w: Array,
    x_shape: tuple[int, ...],
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
    algorithm: str = "auto",
) -> Array: ...
def conv2d_weight_grad(
    gy: Array,
    x: Array,
    w_shape: tuple[int, ...],
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
    algorithm: str = "auto",
) -> Array: ...
def plan(problem: ConvProblem, algorithm: str = "auto", effort: Effort = None) -> Plan: ...
