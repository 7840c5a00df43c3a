"""Augmentation: what is done to images between the dataset and the network.

    sample level   transform(image, rng=rng) -> image                    one image (c, h, w)
    batch level    transform(images, labels, rng=rng) -> images, labels  a batch (n, c, h, w), after the sample level; `Mixup`

A transform is a callable. Those here take images of float32 or float64, those of colours with values in [0, 1], and return a
C-contiguous array of the same dtype; their argument is never changed, but it may be what they return. `rng` is an int, a
`numpy.random.Generator` or None, and the result depends on nothing else. A callable of your own may leave `rng` out of its
parameters; it is passed by name where there is one. Batch-level transforms have a true class attribute ``batch_level``.

    base        Compose, and how any callable is called
    flip        RandomHorizontalFlip
    rotation    RandomRotation
    color       RandomBrightness, RandomContrast, ColorJitter and the adjustments they draw factors for
    crop        RandomCrop, CenterCrop, RandomResizedCrop
    resize      Resize
    normalize   Normalize
    cutout      Cutout
    mixup       Mixup
"""

from .base import Compose
from .color import (
    ColorJitter,
    RandomBrightness,
    RandomContrast,
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
)
from .crop import CenterCrop, RandomCrop, RandomResizedCrop
from .cutout import Cutout
from .flip import RandomHorizontalFlip
from .mixup import Mixup
from .normalize import Normalize
from .resize import Resize
from .rotation import RandomRotation

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "Cutout",
    "Mixup",
    "Normalize",
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "Resize",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_hue",
    "adjust_saturation",
]
