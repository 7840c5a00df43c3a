"""The number of threads, for kernels and BLAS alike.

The default is ``OMP_NUM_THREADS``, else the number of CPUs this process may use. Nothing is started here: kernels take the number
as an argument of each call. After a fork the child runs on one thread, because OpenMP's threads do not survive it.
"""

from __future__ import annotations

import contextlib
import contextvars
import os

from .problem import require_at_least, as_integer

__all__ = ["get_num_threads", "num_threads", "pin", "set_num_threads", "unpin"]

_local = contextvars.ContextVar("fastconv_num_threads", default=0)
_global = 0
_forked = False


def get_num_threads():
    """Threads that the next call will use."""
    if _forked:
        return 1
    return _local.get() or _global or _default()


def set_num_threads(n):
    """Use `n` threads from now on, in the whole process.

    Parameters
    ----------
    n : int
        At least 1.
    """
    global _global
    _global = _checked(n)


@contextlib.contextmanager
def num_threads(n):
    """Use `n` threads inside a ``with`` block, in this Python thread or task only.

    Examples
    --------
    >>> import fastconv as fc
    >>> with fc.num_threads(1):
    ...     fc.get_num_threads()
    1
    """
    token = _local.set(_checked(n))
    try:
        yield
    finally:
        _local.reset(token)


def pin(n):
    """Fix the number of threads in this Python thread until `unpin`; the cheap form of `num_threads`, without checks."""
    return _local.set(n)


def unpin(token):
    """Undo `pin`."""
    _local.reset(token)


def _checked(n):
    n = as_integer("n", n)
    require_at_least("n", n, 1)
    return n


def _default():
    global _global
    try:
        # OpenMP allows a list, one number per nesting level; only the first concerns us.
        n = int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0])
    except ValueError:
        n = 0
    if n < 1:
        n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    _global = n
    return n


def _after_fork():
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
