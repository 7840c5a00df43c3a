"""The types of arguments and results, for annotations."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Activation",
    "ActivationLike",
    "Array",
    "Direction",
    "Effort",
    "Initializer",
    "InputShape",
    "Margins",
    "MemoryFormat",
    "OutputSize",
    "PadMode",
    "Padding",
    "Pair",
    "PathLike",
    "Precision",
    "Rng",
    "Scale",
    "Shape",
    "UpsampleMode",
]

Array: TypeAlias = NDArray[np.floating]
# The batch may be None, where it is not known.
InputShape: TypeAlias = Sequence[int | Any]
Shape: TypeAlias = tuple[int | Any, ...]
Pair: TypeAlias = int | tuple[int, int] | list[int]
Padding: TypeAlias = Literal["same", "valid"] | Pair | tuple[tuple[int, int], tuple[int, int]]
Margins: TypeAlias = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]]
# Of pooling and resampling: None keeps the size of that axis.
OutputSize: TypeAlias = int | tuple[int | None, int | None] | list[int | None]
Scale: TypeAlias = float | tuple[float, float] | list[float]
PadMode: TypeAlias = Literal["constant", "reflect", "replicate"]
UpsampleMode: TypeAlias = Literal["nearest", "bilinear"]
MemoryFormat: TypeAlias = Literal["nchw", "nhwc"]
Direction: TypeAlias = Literal["forward", "input_grad", "weight_grad"]
# Those that convolutions apply as they store their results; `fastconv.functional.activate` has more.
Activation: TypeAlias = Literal["relu", "relu6", "leaky_relu", "sigmoid", "silu"] | tuple[Literal["leaky_relu"], float] | None
ActivationLike: TypeAlias = str | tuple[str, float] | None
Effort: TypeAlias = Literal["heuristic", "cached", "measure", "exhaustive", "replay"]
Precision: TypeAlias = Literal["highest", "high", "medium"]
# A name of `fastconv.nn.initializers`, or a function like those.
Initializer: TypeAlias = str | Callable[..., np.ndarray]
Rng: TypeAlias = int | np.random.Generator | None
PathLike: TypeAlias = str | os.PathLike[str]
