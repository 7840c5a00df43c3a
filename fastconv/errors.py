"""The exceptions fastconv raises.

Every one is a `FastconvError` and also of the built-in kind a Python programmer would catch.
"""

__all__ = [
    "FastconvError",
    "InvalidArgumentError",
    "InvalidTypeError",
    "MissingExtraError",
    "MissingPlanError",
    "NotReadyError",
    "UnknownAlgorithmError",
    "UnsupportedProblemError",
]


class FastconvError(Exception):
    """Base class of everything fastconv raises on purpose."""


class InvalidArgumentError(FastconvError, ValueError):
    """An argument has a value that no convolution can have."""


class InvalidTypeError(FastconvError, TypeError):
    """An argument is of a type or dtype that cannot be used."""


class UnknownAlgorithmError(InvalidArgumentError):
    """No algorithm of that name is registered; the message lists those that are."""


class UnsupportedProblemError(InvalidArgumentError):
    """The algorithm asked for cannot do the problem; the message says why."""


class MissingPlanError(FastconvError, LookupError):
    """`effort="replay"` found no stored plan for the problem."""


class MissingExtraError(FastconvError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""


class NotReadyError(FastconvError, RuntimeError):
    """A call came before the one it needs: parameters before `build`, `backward` before `forward`."""
