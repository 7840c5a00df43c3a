"""The ordered list of algorithms.

Built-in algorithms come first, in the order in which ties are broken; `direct` is the last of them and accepts every valid
problem. Other packages add theirs through the entry-point group ``fastconv.algorithms``, read on first use.
"""

from __future__ import annotations

import importlib
import threading
import warnings

from ..errors import InvalidArgumentError, InvalidTypeError, UnknownAlgorithmError
from .base import ConvAlgorithm

__all__ = ["ENTRY_POINT_GROUP", "generation", "get", "names", "register", "registered", "unregister"]

ENTRY_POINT_GROUP = "fastconv.algorithms"

# Modules of built-in algorithms, each with a list ALGORITHMS; the order breaks ties. The last entry takes everything.
_BUILT_IN = ("split", "winograd_split", "winograd", "depthwise", "fft", "implicit_gemm", "im2col", "direct")

_algorithms: dict[str, ConvAlgorithm] = {}
_lock = threading.RLock()
_loaded = False
_generation = 0


def register(algorithm: ConvAlgorithm) -> None:
    """Add an algorithm to the registry.

    Parameters
    ----------
    algorithm : ConvAlgorithm
        An instance; its name must be new.

    Raises
    ------
    InvalidTypeError
        If it is not an instance of `ConvAlgorithm`.
    InvalidArgumentError
        If the name is taken.
    """
    if not isinstance(algorithm, ConvAlgorithm):
        raise InvalidTypeError(f"algorithm: got {algorithm!r}, expected an instance of a ConvAlgorithm subclass")
    global _generation
    _load()
    with _lock:
        _add(algorithm)
        _generation += 1


def unregister(name: str) -> None:
    """Take an algorithm out of the registry."""
    global _generation
    with _lock:
        get(name)
        del _algorithms[name]
        _generation += 1


def generation() -> int:
    """A number that changes with every `register` and `unregister`; plans made under another one are out of date."""
    return _generation


def names() -> tuple[str, ...]:
    """Names of all algorithms, in the order in which ties are broken."""
    _load()
    return tuple(_algorithms)


def get(name: str) -> ConvAlgorithm:
    """The algorithm called `name`; an unknown name raises an error that lists those there are."""
    _load()
    try:
        return _algorithms[name]
    except (KeyError, TypeError):
        raise UnknownAlgorithmError(f"algorithm: {name!r} is not registered; there are {', '.join(_algorithms)}") from None


def registered() -> tuple[ConvAlgorithm, ...]:
    """All algorithms, in order."""
    _load()
    return tuple(_algorithms.values())


def _add(algorithm: ConvAlgorithm) -> None:
    name = getattr(algorithm, "name", None)
    if not isinstance(name, str) or not name or name == "auto":
        raise InvalidArgumentError(f"algorithm: {algorithm!r} needs a name of its own, a string other than 'auto'")
    with _lock:
        if name in _algorithms:
            raise InvalidArgumentError(f"algorithm: {name!r} is already registered; unregister it first")
        # Plug-ins go before the built-in fallback, which stays last.
        fallback = _algorithms.pop("direct", None) if name != "direct" else None
        _algorithms[name] = algorithm
        if fallback is not None:
            _algorithms["direct"] = fallback


def _load():
    global _loaded
    if _loaded:
        return
    with _lock:
        if _loaded:
            return
        for module in _BUILT_IN:
            for algorithm in importlib.import_module(f".{module}", __package__).ALGORITHMS:
                _add(algorithm)
        _loaded = True
        _load_plugins()


def _load_plugins():
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINT_GROUP):
        try:
            loaded = entry.load()
            _add(loaded() if isinstance(loaded, type) else loaded)
        except Exception as error:  # a broken plug-in must not break the library
            warnings.warn(
                f"algorithm plug-in {entry.name!r} ({entry.value}) is left out: {error}", RuntimeWarning, stacklevel=2
            )
