"""`GroupNormalization` and `InstanceNormalization`: statistics of each image on its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InvalidArgumentError
from ..functional import group_norm, group_norm_grad
from ..typing import ActivationLike, InputShape, Shape
from .layer import Layer

__all__ = ["GroupNormalization", "InstanceNormalization"]


class GroupNormalization(Layer):
    """gamma (x - mean) / sqrt(var + eps) + beta, with mean and variance of groups of channels of each image (Wu and He 2018).

    The same in training and evaluation, whatever the size of the batch.

    Parameters
    ----------
    groups : int or None
        None: one a channel.
        Of neighbouring channels; divides their number. 1: all of an image together.
    channels : int, optional
        Taken from the first input if left out.
    eps : float
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> norm = fc.nn.GroupNormalization(2)
    >>> norm.forward(np.array([[0, 2, 10, 30]], np.float32)).round(3)
    array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    fuses = frozenset({"relu", "relu6", "leaky_relu"})

    def __init__(
        self,
        groups: int | None,
        channels: int | None = None,
        eps: float = 1e-5,
        *,
        name: str | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.groups, self.channels, self.eps = groups, channels, eps
        if channels is not None:
            self.build((None, channels, None, None))

    def _build(self, input_shape, rng):
        self._check(input_shape)
        self.channels = channels = input_shape[1]
        if self.groups is not None and (self.groups < 1 or channels % self.groups):
            raise InvalidArgumentError(f"{self._label()}: {channels} channels, {self.groups} groups; groups divide channels")
        self.gamma = self.add_parameter("gamma", np.ones(channels))
        self.beta = self.add_parameter("beta", np.zeros(channels))

    def _check(self, shape):
        if len(shape) not in (2, 4) or self.channels not in (None, shape[1]):
            c = self.channels or "c"
            raise self._shape_error(shape, f"(n, {c}) or (n, {c}, h, w)")

    def forward(self, x: np.ndarray, activation: ActivationLike = None) -> np.ndarray:
        self.build(x.shape)
        self._check(x.shape)
        groups = self.groups or x.shape[1]
        y, mean, inv_std = group_norm(x, groups, self.gamma.array, self.beta.array, eps=self.eps, activation=activation)
        self._saved = x, groups, mean, inv_std, activation
        return y

    def infer(self, x: np.ndarray, activation: ActivationLike = None) -> np.ndarray:
        y = self.forward(x, activation)
        self._saved = None
        return y

    def backward(self, gy: np.ndarray) -> np.ndarray:
        x, groups, mean, inv_std, activation = self.saved()
        dx, self.gamma.grad, self.beta.grad = group_norm_grad(
            gy, x, groups, mean, inv_std, self.gamma.array, self.beta.array, activation=activation
        )  # fmt: skip
        return dx

    def output_shape(self, input_shape: InputShape) -> Shape:
        self._check(input_shape)
        return tuple(input_shape)


class InstanceNormalization(GroupNormalization):
    """`GroupNormalization` of each channel by itself (Ulyanov et al. 2016).

    Parameters
    ----------
    channels, eps, name, dtype
        See `GroupNormalization`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> norm = fc.nn.InstanceNormalization()
    >>> norm.forward(np.array([[[[1, 3]], [[10, 30]]]], np.float32)).round(3).tolist()
    [[[[-1.0, 1.0]], [[-1.0, 1.0]]]]
    """

    def __init__(
        self, channels: int | None = None, eps: float = 1e-5, *, name: str | None = None, dtype: DTypeLike = np.float32
    ) -> None:
        super().__init__(None, channels, eps, name=name, dtype=dtype)

    def _check(self, shape):
        self._require_images(shape, self.channels)
