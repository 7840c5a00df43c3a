"""What all architectures do alike: check their arguments, put the layers together and build them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InvalidArgumentError, InvalidTypeError
from ..nn import CNN, Dense, Dropout, Layer, ReLU
from ..typing import InputShape, Rng

__all__ = ["assemble", "hidden"]


def assemble(
    name: str, layers: Iterable[Layer], input_shape: InputShape, num_classes: int, smallest: int, rng: Rng, dtype: DTypeLike
) -> CNN:
    """A network of `layers` and a dense one of `num_classes`, built for `input_shape`.

    Parameters
    ----------
    name : str
        Of the architecture, for messages.
    input_shape : tuple
        (n, c, h, w), n may be None.
    smallest : int
        Height and width that images must have at least.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        Of another form, or images too small.
    """
    if not isinstance(input_shape, tuple | list):
        raise InvalidTypeError(f"input_shape: got {type(input_shape).__name__}, expected a tuple (n, c, h, w), n may be None")
    if len(input_shape) != 4 or not all(_is_positive(v) for v in input_shape[1:]):
        raise InvalidArgumentError(f"input_shape: got {input_shape}, expected (n, c, h, w), n may be None")
    if not _is_positive(num_classes):
        raise InvalidArgumentError(f"num_classes: got {num_classes!r}, expected a positive integer")
    if min(input_shape[2:]) < smallest:
        raise InvalidArgumentError(
            f"input_shape: got {tuple(input_shape)}; {name} takes images of {smallest} x {smallest} and larger"
        )
    network = CNN(layers, rng=rng, dtype=dtype)
    network.add_layer(Dense(int(num_classes), init="xavier_normal_in", dtype=dtype))
    return network.build(tuple(input_shape))


def hidden(units: int, dropout: float, dtype: DTypeLike) -> list[Layer]:
    """A dense layer, ReLU, and dropout unless it is 0."""
    if not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise InvalidArgumentError(f"dropout: got {dropout!r}, expected a number from 0 to less than 1")
    layers = [Dense(units, dtype=dtype), ReLU(dtype=dtype)]
    return [*layers, Dropout(dropout, dtype=dtype)] if dropout else layers


def _is_positive(value):
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and value > 0
