"""Checks of the numbers that optimizers and schedules are made with: each returns a plain Python number or raises."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

from ..errors import InvalidArgumentError, InvalidTypeError

__all__ = ["above_zero", "at_least", "between", "between_or_one", "count", "is_number", "number"]


def is_number(value: Any) -> TypeGuard[float]:
    """Whether the value is a real scalar of Python or NumPy, or an array that holds just one."""
    return not isinstance(value, (bool, str, bytes)) and hasattr(value, "__float__") and getattr(value, "size", 1) == 1


def number(name: str, value: Any) -> float:
    """The value as a float; finite, whatever its type was."""
    if not is_number(value):
        raise InvalidTypeError(f"{name}: got {value!r}, expected a number")
    # Of an array of one element .item() is exact for every dtype, and float() of a one-dimensional one is deprecated.
    result = float(value.item() if hasattr(value, "item") else value)
    if not math.isfinite(result):
        raise InvalidArgumentError(f"{name}: got {value!r}, expected a finite number")
    return result


def above_zero(name: str, value: Any) -> float:
    """A number above 0."""
    result = number(name, value)
    if result <= 0:
        raise InvalidArgumentError(f"{name}: got {value!r}, expected a number above 0")
    return result


def at_least(name: str, value: Any, smallest: float = 0.0) -> float:
    """A number no smaller than `smallest`."""
    result = number(name, value)
    if result < smallest:
        raise InvalidArgumentError(f"{name}: got {value!r}, expected at least {smallest:g}")
    return result


def between(name: str, value: Any) -> float:
    """A number of [0, 1): the share that an exponential average keeps."""
    result = number(name, value)
    if not 0 <= result < 1:
        raise InvalidArgumentError(f"{name}: got {value!r}, expected at least 0 and less than 1")
    return result


def between_or_one(name: str, value: Any) -> float:
    """A number of [0, 1]."""
    result = number(name, value)
    if not 0 <= result <= 1:
        raise InvalidArgumentError(f"{name}: got {value!r}, expected between 0 and 1")
    return result


def count(name: str, value: Any, smallest: int = 1) -> int:
    """An integer no smaller than `smallest`."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InvalidTypeError(f"{name}: got {value!r}, expected an integer")
    result = value.__index__()
    if result < smallest:
        raise InvalidArgumentError(f"{name}: got {value!r}, expected at least {smallest}")
    return result
