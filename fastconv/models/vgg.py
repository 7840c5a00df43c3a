"""`vgg16`: sixteen layers with parameters, the convolutions all 3x3."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from ..nn import CNN, Conv2D, Flatten, MaxPool2D, ReLU
from ..typing import InputShape, Rng
from .assembly import assemble, hidden

__all__ = ["vgg16"]

# Convolutions and their filters, between poolings: configuration D of the paper.
_STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


def vgg16(
    input_shape: InputShape, num_classes: int, dropout: float = 0.5, *, rng: Rng = None, dtype: DTypeLike = np.float32
) -> CNN:
    """VGG-16 (Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014).

    Thirteen convolutions with ReLU, with 2x2 max-pooling after the 2nd, 4th, 7th, 10th and 13th; two dense layers of 4096 with
    ReLU and dropout; scores. For the arguments see `simple_cnn`; images are of 32 x 32 and larger.

    Examples
    --------
    >>> import fastconv as fc
    >>> net = fc.models.vgg16((None, 3, 32, 32), 10, rng=0)
    >>> sum(p.size for p in net.parameters())
    33638218
    """
    layers = []
    for convolutions, filters in _STAGES:
        for _ in range(convolutions):
            layers += [Conv2D(filters, 3, padding=1, dtype=dtype), ReLU(dtype=dtype)]
        layers.append(MaxPool2D(2, dtype=dtype))
    layers += [Flatten(dtype=dtype), *hidden(4096, dropout, dtype), *hidden(4096, dropout, dtype)]
    return assemble("vgg16", layers, input_shape, num_classes, 2 ** len(_STAGES), rng, dtype)
