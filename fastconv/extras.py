"""Optional packages, imported where they are used; one that is missing is an error that names the extra which brings it."""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import MissingExtraError

__all__ = ["require"]


def require(module: str, extra: str) -> ModuleType:
    """The module of that dotted name.

    Parameters
    ----------
    module : str
        Such as ``"PIL.Image"``.
    extra : str
        The extra of fastconv that installs it.

    Raises
    ------
    MissingExtraError
        If it cannot be imported; the message has the command that installs it.

    Examples
    --------
    >>> require("no_such_package", extra="images")
    Traceback (most recent call last):
    ...
    fastconv.errors.MissingExtraError: no_such_package is not installed; pip install "fastconv[images]" brings it
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(f'{package} is not installed; pip install "fastconv[{extra}]" brings it') from error
