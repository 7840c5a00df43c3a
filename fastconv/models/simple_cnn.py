"""`simple_cnn`: two convolutions and two dense layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from ..nn import CNN, Conv2D, Flatten, MaxPool2D, ReLU
from ..typing import InputShape, Rng
from .assembly import assemble, hidden

__all__ = ["simple_cnn"]


def simple_cnn(
    input_shape: InputShape, num_classes: int, dropout: float = 0.5, *, rng: Rng = None, dtype: DTypeLike = np.float32
) -> CNN:
    """Convolutions of 32 and 64 filters, each with ReLU and 2x2 max-pooling; a dense layer of 128; dropout; scores.

    Parameters
    ----------
    input_shape : tuple
        (n, c, h, w) with h, w >= 4; n may be None.
    num_classes : int
    dropout : float
        Share of the 128 features dropped in training; with 0 there is no dropout layer.
    rng : None, int or numpy.random.Generator
        For the initial values and dropout.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    CNN
        Built; 545,098 parameters for 3x32x32 images and 10 classes.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        An argument that cannot be, or images too small to be pooled twice.

    Examples
    --------
    >>> import fastconv as fc
    >>> net = fc.models.simple_cnn((None, 3, 32, 32), 10, rng=0)
    >>> sum(p.size for p in net.parameters()), net.output_shape((32, 3, 32, 32))
    (545098, (32, 10))
    """
    layers = []
    for filters in (32, 64):
        layers += [Conv2D(filters, 3, padding=1, dtype=dtype), ReLU(dtype=dtype), MaxPool2D(2, dtype=dtype)]
    layers += [Flatten(dtype=dtype), *hidden(128, dropout, dtype)]
    return assemble("simple_cnn", layers, input_shape, num_classes, 4, rng, dtype)
