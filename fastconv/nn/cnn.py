"""`CNN`: a network of layers one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

from ..typing import Rng
from .network import Network
from .sequential import Sequential

if TYPE_CHECKING:
    from .layer import Layer
    from .losses import Loss

__all__ = ["CNN"]


class CNN(Network, Sequential):
    """A network of layers one after the other; blocks with branches are layers too.

    Parameters
    ----------
    layers : iterable of Layer
    loss : loss of `fastconv.nn.losses`, optional
        Cross-entropy if left out.
    memory_format : {"channels_last", "nchw"}
        What images are converted to at the entry, once.
    rng : None, int or numpy.random.Generator
        For the initial values of layers that have no `rng` of their own.
    name, dtype
        See `Layer`.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> net = fc.nn.CNN(rng=0).add_layer(fc.nn.Conv2D(8, 3, padding=1)).add_layer(fc.nn.ReLU())
    >>> net = net.add_layer(fc.nn.Flatten()).add_layer(fc.nn.Dense(10))
    >>> x, y = np.ones((2, 3, 8, 8), np.float32), np.array([3, 7])
    >>> optimizer = fc.optim.SGD(lr=0.01)
    >>> losses = [net.train_step(x, y, optimizer) for _ in range(5)]
    >>> losses[-1] < losses[0]
    True
    """

    def __init__(
        self,
        layers: Iterable[Layer] = (),
        *,
        loss: Loss | None = None,
        memory_format: str = "channels_last",
        rng: Rng = None,
        name: str | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(layers=layers, loss=loss, memory_format=memory_format, rng=rng, name=name, dtype=dtype)

    def forward(self, x: np.ndarray) -> np.ndarray:
        return super().forward(self.as_input(x))

    def infer(self, x: np.ndarray) -> np.ndarray:
        return super().infer(self.as_input(x))
