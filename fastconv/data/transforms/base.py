"""Transforms in sequence, and the two levels at which they work."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ...errors import InvalidArgumentError, InvalidTypeError

__all__ = ["Compose", "Rng", "as_image", "as_range", "is_batch_level"]

Rng = int | np.random.Generator | None


class Compose:
    """Transforms one after the other.

    Parameters
    ----------
    transforms : sequence of callables
        Batch-level ones come last: they see whole batches, when every image is ready. A Compose within is taken apart.

    Attributes
    ----------
    transforms : tuple of callables

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an element is not callable, or a sample-level transform follows a batch-level one.

    Notes
    -----
    Called with an image it applies the sample-level transforms, with images and labels the batch-level ones; a `DataLoader`
    does both. All of one call draw from the same generator, in turn.

    Examples
    --------
    The pipeline of a network on photographs (He et al. 2016 and many after them):

    >>> import numpy as np
    >>> from fastconv.data.transforms import *
    >>> augmentation_pipeline = Compose([
    ...     RandomHorizontalFlip(p=0.5),
    ...     RandomRotation(degrees=10),
    ...     ColorJitter(brightness=0.2, contrast=0.2),
    ...     RandomResizedCrop(size=224),
    ...     Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
    ... ])
    >>> image = np.random.default_rng(0).random((3, 250, 300), dtype=np.float32)
    >>> y = augmentation_pipeline(image, rng=0)
    >>> y.shape, y.dtype
    ((3, 224, 224), dtype('float32'))

    One for small images, with a function of one's own among its transforms:

    >>> def add_noise(image, rng):
    ...     return image + 0.01 * rng.standard_normal(image.shape, dtype=np.float32)
    >>> augment = Compose([
    ...     RandomHorizontalFlip(),
    ...     RandomRotation(15),
    ...     RandomBrightness(0.2),
    ...     RandomContrast(0.2),
    ...     RandomCrop(32, padding=4),
    ...     add_noise,
    ... ])
    >>> augment(image[:, :32, :32], rng=0).shape
    (3, 32, 32)
    """

    def __init__(self, transforms: Sequence[Callable[..., Any]]):
        if not isinstance(transforms, Iterable):
            raise InvalidTypeError(f"transforms: got {transforms!r}, expected a sequence of callables")
        flat: list[Callable[..., Any]] = []
        for transform in transforms:
            if not callable(transform):
                raise InvalidTypeError(f"transforms: got {transform!r}, expected a callable")
            if isinstance(transform, Compose):
                flat += transform.transforms
            else:
                flat.append(transform)
        levels = [is_batch_level(transform) for transform in flat]
        if levels != sorted(levels):
            raise InvalidArgumentError(
                f"transforms: {flat[levels.index(True)]!r} works on batches, and one that works on images follows; put it last"
            )
        self.transforms: tuple[Callable[..., Any], ...] = tuple(flat)
        self._samples = tuple((f, _takes_rng(f)) for f, batch in zip(flat, levels, strict=True) if not batch)
        self._batches = tuple((f, _takes_rng(f)) for f, batch in zip(flat, levels, strict=True) if batch)

    @property
    def has_sample_level(self) -> bool:
        """Whether there is a transform of single images."""
        return bool(self._samples)

    @property
    def has_batch_level(self) -> bool:
        """Whether there is a transform of batches."""
        return bool(self._batches)

    def __call__(self, images: np.ndarray, labels: np.ndarray | None = None, *, rng: Rng = None) -> Any:
        """An image transformed; with labels, a batch of images and its labels."""
        rng = np.random.default_rng(rng)
        if labels is None:
            for transform, takes_rng in self._samples:
                images = transform(images, rng=rng) if takes_rng else transform(images)
            return images
        for transform, takes_rng in self._batches:
            images, labels = transform(images, labels, rng=rng) if takes_rng else transform(images, labels)
        return images, labels

    def __repr__(self) -> str:
        return f"Compose([{', '.join(map(repr, self.transforms))}])"


def is_batch_level(transform: Callable[..., Any]) -> bool:
    """Whether a transform takes a batch and its labels."""
    return bool(getattr(transform, "batch_level", False))


def _takes_rng(transform):
    try:
        return "rng" in inspect.signature(transform).parameters
    except ValueError:  # built-in functions need not have a signature
        return False


def as_image(image: np.ndarray) -> np.ndarray:
    """`image` if it is one that transforms take, else an error.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If it is not an array of shape (c, h, w) of float32 or float64.
    """
    if not isinstance(image, np.ndarray):
        raise InvalidTypeError(f"image: got {type(image).__name__}, expected a NumPy array of shape (c, h, w)")
    if image.ndim != 3:
        raise InvalidArgumentError(f"image: got shape {image.shape}, expected (c, h, w)")
    if image.dtype.name not in ("float32", "float64"):
        raise InvalidTypeError(
            f"image: got dtype {image.dtype}, expected float32 or float64, such as image / np.float32(255) of bytes"
        )
    return image


def as_range(
    name: str, value: float | Sequence[float], center: float, lowest: float = -np.inf, highest: float = np.inf
) -> tuple[float, float]:
    """The range that a strength or a pair of bounds means.

    A number s means center - s to center + s, its lower end raised to `lowest`; a pair is the range itself.

    Raises
    ------
    InvalidArgumentError
        If it is negative or not finite, or the range is empty or leaves `lowest` to `highest`.
    """
    try:
        ends = tuple(map(float, value if isinstance(value, (tuple, list)) else (value,)))
    except (TypeError, ValueError):
        ends = ()
    if len(ends) not in (1, 2) or not all(map(math.isfinite, ends)) or (len(ends) == 1 and ends[0] < 0):
        raise InvalidArgumentError(f"{name}: got {value!r}, expected a number of at least 0 or a pair (lowest, highest)")
    low, high = ends if len(ends) == 2 else (max(lowest, center - ends[0]), center + ends[0])
    if not lowest <= low <= high <= highest:
        raise InvalidArgumentError(f"{name}: got {value!r}, expected a range within {lowest:g} to {highest:g}")
    return low, high
