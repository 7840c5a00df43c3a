"""What the user allows and wants of the selection: `config`, `set_config` and the `Config` in force.

As with the number of threads, `set_config` changes the whole process and ``with config(...)`` one Python thread or task.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
import os
from collections.abc import Iterable
from typing import TypedDict, Unpack

from ..algorithms import registry
from ..errors import InvalidArgumentError, InvalidTypeError
from ..problem import as_integer, require_at_least
from ..typing import Effort, PathLike, Precision
from .lock import Lock

__all__ = ["EFFORTS", "PRECISIONS", "Config", "config", "get_config", "set_config"]

EFFORTS = ("heuristic", "cached", "measure", "exhaustive", "replay")
PRECISIONS = ("highest", "high", "medium")


class Options(TypedDict, total=False):
    """The keyword arguments of `config`."""

    effort: Effort
    precision: Precision
    workspace_limit: int
    max_error: float
    deny: str | Iterable[str]
    cache_dir: PathLike | None
    lock: PathLike | None


@dataclasses.dataclass(frozen=True, eq=False)
class Config:
    """The options of the selection. Equal options are one object, so that it is a cheap key; see `config`."""

    effort: str = "cached"
    precision: str = "high"
    workspace_limit: int = 2**28
    max_error: float = 1e-5
    deny: tuple[str, ...] = ()
    cache_dir: str | None = None
    lock: Lock | None = None

    def replace(self, **changes: Unpack[Options]) -> Config:
        """The configuration with some options changed; raises for values that are not allowed."""
        unknown = changes.keys() - _VALIDATORS.keys()
        if unknown:
            raise InvalidArgumentError(f"config: no option {sorted(unknown)[0]!r}; there are {', '.join(_VALIDATORS)}")
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        values.update({name: _VALIDATORS[name](value) for name, value in changes.items()})
        return _interned(**values)


@functools.lru_cache(maxsize=256)
def _interned(**values):
    return Config(**values)


class config(contextlib.ContextDecorator):
    """Options of the selection inside a ``with`` block, in this Python thread or task only.

    Parameters
    ----------
    effort : {"heuristic", "cached", "measure", "exhaustive", "replay"}
        How a plan is found: by predicted cost alone; from the store, else by cost (the default); from the store, else by timing
        the candidates; by timing them all anew; from the store, else `MissingPlanError`.
    precision : {"highest", "high", "medium"}
        ``"highest"`` allows algorithms as accurate as direct convolution and local in their non-finite values; ``"high"``
        (default) those whose usual error at each result, `method_error`, is at most `max_error`, or, where there is none, whose
        published error exceeds direct convolution's by no more; ``"medium"`` all.
    workspace_limit : int
        Bytes of scratch an algorithm may use. Holds for algorithms forced by name as well.
    max_error : float
        Largest `method_error` under ``precision="high"``, or largest error on top of direct convolution's, as a fraction of
        ``|x| conv |w|``.
    deny : str or iterable of str
        Names of algorithms not to use.
    cache_dir : path or None
        Folder of the stored plans; None: ``FASTCONV_CACHE_DIR``, else the user's cache folder.
    lock : path or None
        A file of plans that `fastconv.selection.Lock.write` wrote; its choices come before all others.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import fastconv as fc
    >>> with fc.config(effort="heuristic", precision="highest"):
    ...     fc.get_config().precision
    'highest'
    """

    def __init__(self, **options: Unpack[Options]) -> None:
        get_config().replace(**options)
        self._options = options
        self._tokens: list[contextvars.Token[Config | None]] = []

    def _recreate_cm(self):
        # As a decorator, every call gets an instance of its own, and with it its own tokens.
        return config(**self._options)

    def __enter__(self) -> Config:
        configured = get_config().replace(**self._options)
        self._tokens.append(_local.set(configured))
        return configured

    def __exit__(self, *exception: object) -> None:
        _local.reset(self._tokens.pop())


def set_config(**options: Unpack[Options]) -> None:
    """Change options of the selection in the whole process; they are those of `config`.

    A ``with config(...)`` block that is being executed keeps the options it was entered with.
    """
    global _global
    _global = _global.replace(**options)


def get_config() -> Config:
    """The `Config` in force."""
    return _local.get() or _global


def _one_of(name, allowed):
    def validate(value):
        if not isinstance(value, str) or value not in allowed:
            raise InvalidArgumentError(f"{name}: got {value!r}, expected one of {', '.join(allowed)}")
        return value

    return validate


def _workspace_limit(value):
    value = as_integer("workspace_limit", value)
    require_at_least("workspace_limit", value, 0)
    return value


def _max_error(value):
    try:
        value = float(value)
    except (TypeError, ValueError):
        raise InvalidTypeError(f"max_error: got {value!r}, expected a number") from None
    if not value > 0:
        raise InvalidArgumentError(f"max_error: got {value!r}, expected a number above 0")
    return value


def _deny(value):
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, Iterable):
        raise InvalidTypeError(f"deny: got {value!r}, expected names of algorithms")
    return tuple(sorted({registry.get(name).name for name in value}))


def _cache_dir(value):
    if value is None:
        return None
    try:
        return os.path.abspath(os.fsdecode(value))
    except TypeError:
        raise InvalidTypeError(f"cache_dir: got {value!r}, expected a path") from None


def _lock(value):
    return value if value is None or isinstance(value, Lock) else Lock.read(value)


_VALIDATORS = {
    "effort": _one_of("effort", EFFORTS),
    "precision": _one_of("precision", PRECISIONS),
    "workspace_limit": _workspace_limit,
    "max_error": _max_error,
    "deny": _deny,
    "cache_dir": _cache_dir,
    "lock": _lock,
}

_local: contextvars.ContextVar[Config | None] = contextvars.ContextVar("fastconv_config", default=None)
_global = _interned(**dataclasses.asdict(Config()))
