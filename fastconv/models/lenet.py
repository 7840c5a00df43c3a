"""`lenet`: LeNet-5."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from ..nn import CNN, AvgPool2D, Conv2D, Dense, Flatten, Tanh
from ..typing import InputShape, Rng
from .assembly import assemble

__all__ = ["lenet"]


def lenet(input_shape: InputShape, num_classes: int, *, rng: Rng = None, dtype: DTypeLike = np.float32) -> CNN:
    """LeNet-5 with complete connections (LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998).

    Convolutions of 6 and 16 filters of 5x5, each with tanh and average pooling, then dense layers of 120 and 84 with tanh. The
    first convolution is padded by 2, so that images of 28 x 28 are what those of 32 x 32 are in the paper. For the arguments
    see `simple_cnn`; images are of 12 x 12 and larger.

    Examples
    --------
    >>> import fastconv as fc
    >>> sum(p.size for p in fc.models.lenet((None, 1, 28, 28), 10, rng=0).parameters())
    61706
    """
    layers = []
    for filters, padding in ((6, 2), (16, 0)):
        layers += [Conv2D(filters, 5, padding=padding, init="xavier_uniform", dtype=dtype), Tanh(dtype=dtype)]
        layers += [AvgPool2D(2, dtype=dtype)]
    layers.append(Flatten(dtype=dtype))
    for units in (120, 84):
        layers += [Dense(units, init="xavier_uniform", dtype=dtype), Tanh(dtype=dtype)]
    return assemble("lenet", layers, input_shape, num_classes, 12, rng, dtype)
