"""`BatchNormalization`: each channel with the statistics of the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InvalidArgumentError
from ..functional import (
    batch_norm,
    batch_norm_grad,
    batch_norm_inference,
    batch_norm_inference_grad,
    batch_norm_max_pool2d,
    batch_norm_max_pool2d_grad,
    batch_variance,
)
from ..typing import ActivationLike, InputShape, Shape
from .layer import Layer
from .max_pool import MaxPool2D

__all__ = ["BatchNormalization"]


class BatchNormalization(Layer):
    """gamma (x - mean) / sqrt(var + eps) + beta for each channel of (n, c, h, w) or feature of (n, c) (Ioffe and Szegedy 2015).

    In training mean and variance are the batch's, and running statistics follow them:
    ``running = momentum * running + (1 - momentum) * batch``, the variance being the mean square deviation. In evaluation the
    running statistics take their place.

    Parameters
    ----------
    channels : int, optional
        Taken from the first input if left out.
    momentum : float
        The share of the old running statistics that stays (PyTorch's momentum is one minus this).
    eps : float
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> norm = fc.nn.BatchNormalization()
    >>> y = norm.forward(np.arange(8, dtype=np.float32).reshape(4, 2))
    >>> [round(float(v), 3) for v in y.std(axis=0)]
    [1.0, 1.0]
    """

    fuses = frozenset({"relu", "relu6", "leaky_relu"})

    def __init__(
        self,
        channels: int | None = None,
        momentum: float = 0.9,
        eps: float = 1e-5,
        *,
        name: str | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.channels, self.momentum, self.eps = channels, momentum, eps
        if channels is not None:
            self.build((None, channels))

    @property
    def pools(self) -> bool:
        # A derived class may have a forward of its own.
        return type(self).forward is BatchNormalization.forward

    def _build(self, input_shape, rng):
        self._check(input_shape)
        self.channels = channels = input_shape[1]
        self.gamma = self.add_parameter("gamma", np.ones(channels))
        self.beta = self.add_parameter("beta", np.zeros(channels))
        self._buffers["running_mean"] = np.zeros(channels, self.dtype)
        self._buffers["running_var"] = np.ones(channels, self.dtype)

    @property
    def running_mean(self) -> np.ndarray:
        return self._buffers["running_mean"]

    @property
    def running_var(self) -> np.ndarray:
        return self._buffers["running_var"]

    def forward(
        self,
        x: np.ndarray,
        activation: ActivationLike = None,
        residual: np.ndarray | None = None,
        pool: MaxPool2D | None = None,
    ) -> np.ndarray:
        """The result; `residual`, if given, is added before the activation, and `backward` returns its gradient too.

        With `pool` in place of a residual, what that layer makes of the result.
        """
        self._prepare(x, residual, pool)
        if pool is not None:
            return self._forward_pooled(x, activation, pool)
        gamma, beta = self.gamma.array, self.beta.array
        if self.training:
            y, *statistics = batch_norm(x, gamma, beta, eps=self.eps, activation=activation, residual=residual)
            self._follow(*statistics)
        else:
            y, statistics = self._infer(x, activation, residual), None
        # Without a residual the sign of the result follows from x.
        kept = None if residual is None or activation is None else y
        self._saved = x, kept, statistics, activation, residual is not None, None
        return y

    def _forward_pooled(self, x, activation, pool):
        if not self.training:
            y = pool.forward(self.forward(x), activation)
            self._saved = *self._saved[:-1], (pool, None)
            return y
        gamma, beta, size = self.gamma.array, self.beta.array, pool.pool_size
        y, taps, *statistics = batch_norm_max_pool2d(x, gamma, beta, size, eps=self.eps, activation=activation)
        self._follow(*statistics)
        self._saved = x, y, statistics, activation, False, (pool, taps)
        return y

    def _follow(self, mean, inv_std):
        """Let the running statistics follow those of a batch."""
        for running, batch in ((self.running_mean, mean), (self.running_var, batch_variance(inv_std, self.eps))):
            running *= self.momentum
            running += (1 - self.momentum) * batch

    def infer(
        self,
        x: np.ndarray,
        activation: ActivationLike = None,
        residual: np.ndarray | None = None,
        pool: MaxPool2D | None = None,
    ) -> np.ndarray:
        self._prepare(x, residual, pool)
        self._saved = None
        if pool is not None:
            return pool.infer(self._infer(x, None, None), activation)
        return self._infer(x, activation, residual)

    def _prepare(self, x, residual, pool):
        self.build(x.shape)
        self._check(x.shape)
        if residual is not None and pool is not None:
            raise InvalidArgumentError(f"{self._label()}: got a residual and a pool, expected at most one of them")

    def _check(self, shape):
        if len(shape) not in (2, 4) or self.channels not in (None, shape[1]):
            c = self.channels or "c"
            raise self._shape_error(shape, f"(n, {c}) or (n, {c}, h, w)")

    def _infer(self, x, activation, residual):
        return batch_norm_inference(
            x, self.gamma.array, self.beta.array, self.running_mean, self.running_var, eps=self.eps, activation=activation,
            residual=residual,
        )  # fmt: skip

    def backward(self, gy: np.ndarray) -> Any:
        x, y, statistics, activation, residual, pooled = self.saved()
        gamma, beta, options = self.gamma.array, self.beta.array, {"activation": activation, "y": y, "residual": residual}
        if pooled is not None:
            pool, taps = pooled
            if taps is not None:
                mean, inv_std = statistics
                dx, self.gamma.grad, self.beta.grad = batch_norm_max_pool2d_grad(
                    gy, y, taps, x, mean, inv_std, gamma, beta, pool.pool_size, activation=activation
                )
                return dx
            gy = pool.backward(gy)
            pool.release()
        if statistics is None:
            constants = self.running_mean, self.running_var
            dx, dgamma, dbeta, skip = batch_norm_inference_grad(gy, x, gamma, beta, *constants, eps=self.eps, **options)
        else:
            mean, inv_std = statistics
            dx, dgamma, dbeta, skip = batch_norm_grad(gy, x, mean, inv_std, gamma, beta, **options)
        self.gamma.grad, self.beta.grad = dgamma, dbeta
        return (dx, skip) if residual else dx

    def output_shape(self, input_shape: InputShape) -> Shape:
        self._check(input_shape)
        return tuple(input_shape)

    def multiply_adds(self, input_shape: InputShape) -> int:
        # One multiplication and one addition for each value, as at inference.
        return int(np.prod([1 if n is None else n for n in input_shape]))
