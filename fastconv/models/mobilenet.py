"""`mobilenet_v1`: depthwise separable convolutions."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InvalidArgumentError
from ..nn import CNN, BatchNormalization, Conv2D, GlobalAvgPool2D, ReLU
from ..typing import InputShape, Rng
from .assembly import assemble

__all__ = ["mobilenet_v1"]

# Output channels of the 1x1 convolutions and strides of the 3x3 depthwise ones before them: table 1 of the paper.
_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))


def mobilenet_v1(
    input_shape: InputShape, num_classes: int, alpha: float = 1.0, *, rng: Rng = None, dtype: DTypeLike = np.float32
) -> CNN:
    """MobileNet (Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017).

    A 3x3 convolution of stride 2, thirteen pairs of a 3x3 depthwise and a 1x1 convolution, global average pooling, scores. Each
    convolution is followed by batch normalisation and ReLU, and has no bias.

    Parameters
    ----------
    input_shape : tuple
        (n, c, h, w), n may be None.
    num_classes : int
    alpha : float
        All numbers of channels are multiplied by it and rounded down, to 1 at least.
    rng, dtype
        See `resnet18`.

    Returns
    -------
    CNN
        Built; 4,231,976 parameters for 3x224x224 images and 1000 classes.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        An argument that cannot be.

    Examples
    --------
    >>> import fastconv as fc
    >>> net = fc.models.mobilenet_v1((None, 3, 96, 96), 10, alpha=0.25, rng=0)
    >>> sum(p.size for p in net.parameters())
    215642
    """
    if not isinstance(alpha, int | float) or not alpha > 0:
        raise InvalidArgumentError(f"alpha: got {alpha!r}, expected a positive number")
    channels = max(1, int(32 * alpha))
    layers = _conv_norm_relu(channels, 3, 2, 1, dtype)
    for filters, stride in _BLOCKS:
        layers += _conv_norm_relu(channels, 3, stride, channels, dtype)
        channels = max(1, int(filters * alpha))
        layers += _conv_norm_relu(channels, 1, 1, 1, dtype)
    return assemble("mobilenet_v1", [*layers, GlobalAvgPool2D(dtype=dtype)], input_shape, num_classes, 1, rng, dtype)


def _conv_norm_relu(filters, kernel, stride, groups, dtype):
    conv = Conv2D(filters, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False, dtype=dtype)
    return [conv, BatchNormalization(dtype=dtype), ReLU(dtype=dtype)]
