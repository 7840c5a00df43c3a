"""`advanced_cnn`: three convolutions with batch normalisation and two dense layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from ..nn import CNN, BatchNormalization, Conv2D, Flatten, MaxPool2D, ReLU
from ..typing import InputShape, Rng
from .assembly import assemble, hidden

__all__ = ["advanced_cnn"]


def advanced_cnn(
    input_shape: InputShape, num_classes: int, dropout: float = 0.5, *, rng: Rng = None, dtype: DTypeLike = np.float32
) -> CNN:
    """Convolutions of 32, 64 and 128 filters, each with batch normalisation, ReLU and 2x2 max-pooling; then dense layers.

    The convolutions have biases. The hidden dense layer has 256 units, ReLU, dropout and no normalisation. Images are of 8 x 8
    and larger; for the arguments see `simple_cnn`.

    Examples
    --------
    >>> import fastconv as fc
    >>> net = fc.models.advanced_cnn((None, 3, 32, 32), 10, rng=0)
    >>> sum(p.size for p in net.parameters())
    620810
    """
    layers = []
    for filters in (32, 64, 128):
        layers += [Conv2D(filters, 3, padding=1, dtype=dtype), BatchNormalization(dtype=dtype), ReLU(dtype=dtype)]
        layers += [MaxPool2D(2, dtype=dtype)]
    layers += [Flatten(dtype=dtype), *hidden(256, dropout, dtype)]
    return assemble("advanced_cnn", layers, input_shape, num_classes, 8, rng, dtype)
