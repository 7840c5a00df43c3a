"""A trainable array of a layer, with its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InvalidArgumentError

__all__ = ["Parameter"]

# Elements of an array that are looked at to notice that somebody wrote to it through a reference kept from before.
_SAMPLE = 256


class Parameter:
    """A trainable array of a layer.

    Parameters
    ----------
    data : ndarray
    name : str
        Within its layer; a network puts the layer's path before it.

    Attributes
    ----------
    data : ndarray
        Optimizers change it in place. Assigning replaces its content, whose shape must stay.
    grad : ndarray or None
        Set by the layer's ``backward``: the gradient of the loss, of data's shape.
    trainable : bool
        Whether optimizers change it; see `Layer.freeze`.
    version : int
        Grows with every access to `data` from outside of the layers, after which packed copies are made anew.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> p = fc.nn.Parameter(np.zeros((2, 3), np.float32), "weight")
    >>> p
    <Parameter weight (2, 3) float32>
    """

    def __init__(self, data: np.ndarray, name: str) -> None:
        self.array = np.ascontiguousarray(data)
        self.name = name
        self.grad: np.ndarray | None = None
        self.trainable = True
        self.version = 0

    @property
    def data(self) -> np.ndarray:
        self.version += 1
        return self.array

    @data.setter
    def data(self, value: np.ndarray) -> None:
        value = np.asarray(value)
        if value.shape != self.array.shape:
            raise InvalidArgumentError(f"{self.name}: got shape {value.shape}, expected {self.array.shape}")
        self.version += 1
        np.copyto(self.array, value, casting="same_kind")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def size(self) -> int:
        return self.array.size

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype

    def astype(self, dtype: DTypeLike) -> None:
        """Convert data to `dtype`; the gradient is dropped."""
        self.version += 1
        self.array = self.array.astype(dtype)
        self.grad = None

    def stamp(self) -> tuple[Any, ...]:
        """Something that differs once the values have changed, be it all over and by a kept reference."""
        flat = self.array.reshape(-1)
        return self.version, self.array.dtype, flat[:: max(1, flat.size // _SAMPLE)].tobytes()

    def __repr__(self) -> str:
        return f"<Parameter {self.name} {self.shape} {self.dtype}>"
