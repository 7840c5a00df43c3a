"""`resnet18` and `resnet50`: residual networks."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InvalidArgumentError
from ..nn import CNN, BatchNormalization, Bottleneck, Conv2D, GlobalAvgPool2D, Layer, MaxPool2D, ReLU, ResidualBlock
from ..typing import InputShape, Rng
from .assembly import assemble

__all__ = ["resnet18", "resnet50"]

# Filters of the four stages; each but the first halves height and width.
_FILTERS = (64, 128, 256, 512)


def resnet18(
    input_shape: InputShape, num_classes: int, *, stem: str = "imagenet", rng: Rng = None, dtype: DTypeLike = np.float32
) -> CNN:
    """ResNet-18 (He et al., "Deep Residual Learning for Image Recognition", 2015): four stages of two residual blocks.

    Parameters
    ----------
    input_shape : tuple
        (n, c, h, w), n may be None. Images of any size pass, but those smaller than 32 x 32 end in planes of one pixel early.
    num_classes : int
    stem : {"imagenet", "cifar"}
        How it begins: a 7x7 convolution of stride 2 and 3x3 max-pooling of stride 2, or for small images one 3x3 convolution.
    rng : None, int or numpy.random.Generator
        For the initial values.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    CNN
        Built; 11,689,512 parameters for 3x224x224 images and 1000 classes. No convolution has a bias.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        An argument that cannot be.

    Examples
    --------
    >>> import fastconv as fc
    >>> net = fc.models.resnet18((None, 3, 32, 32), 10, stem="cifar", rng=0)
    >>> sum(p.size for p in net.parameters())
    11173962
    """
    return _resnet("resnet18", ResidualBlock, (2, 2, 2, 2), input_shape, num_classes, stem, rng, dtype)


def resnet50(
    input_shape: InputShape, num_classes: int, *, stem: str = "imagenet", rng: Rng = None, dtype: DTypeLike = np.float32
) -> CNN:
    """ResNet-50: four stages of 3, 4, 6 and 3 bottleneck blocks, whose 3x3 convolutions have the strides (v1.5).

    For the arguments see `resnet18`; 25,557,032 parameters for 3x224x224 images and 1000 classes.

    Examples
    --------
    >>> import fastconv as fc
    >>> net = fc.models.resnet50((None, 3, 32, 32), 10, stem="cifar", rng=0)
    >>> sum(p.size for p in net.parameters())
    23520842
    """
    return _resnet("resnet50", Bottleneck, (3, 4, 6, 3), input_shape, num_classes, stem, rng, dtype)


def _resnet(name, block, depths, input_shape, num_classes, stem, rng, dtype):
    layers = _stem(stem, dtype)
    for stage, (filters, depth) in enumerate(zip(_FILTERS, depths, strict=True), 1):
        for i in range(depth):
            stride = 2 if stage > 1 and i == 0 else 1
            layers.append(block(filters, stride, name=f"stage{stage}_block{i + 1}", dtype=dtype))
    return assemble(name, [*layers, GlobalAvgPool2D(dtype=dtype)], input_shape, num_classes, 1, rng, dtype)


def _stem(stem: str, dtype: DTypeLike) -> list[Layer]:
    norm_relu = [BatchNormalization(dtype=dtype), ReLU(dtype=dtype)]
    if stem == "imagenet":
        conv = Conv2D(_FILTERS[0], 7, stride=2, padding=3, bias=False, dtype=dtype)
        return [conv, *norm_relu, MaxPool2D(3, stride=2, padding=1, dtype=dtype)]
    if stem == "cifar":
        return [Conv2D(_FILTERS[0], 3, padding=1, bias=False, dtype=dtype), *norm_relu]
    raise InvalidArgumentError(f"stem: got {stem!r}, expected 'imagenet' or 'cifar'")
