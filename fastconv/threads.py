"""The number of threads, for kernels and BLAS alike.

The default is ``OMP_NUM_THREADS``, else the number of CPUs this process may use. Nothing is started here: kernels take the
number as an argument of each call. After a fork the child runs on one thread, because OpenMP's threads do not survive it.

Kernels cut the work themselves and call BLAS from their own threads, so BLAS runs single-threaded meanwhile: two pools of
threads would fight over the cores, and concurrent multi-threaded GEMMs have returned wrong results (OpenBLAS #5836).
"""

from __future__ import annotations

import contextlib
import contextvars
import ctypes
import os
import threading
from collections.abc import Iterator

from .problem import as_integer, require_at_least

__all__ = ["get_num_threads", "num_threads", "pin", "set_num_threads", "single_threaded_blas", "team", "unpin"]

# Elements for which starting another thread pays: some microseconds' work.
_ELEMENTS_PER_THREAD = 2**14

_local = contextvars.ContextVar("fastconv_num_threads", default=0)
_global = 0
_forked = False


def get_num_threads() -> int:
    """Threads that the next call will use."""
    if _forked:
        return 1
    return _local.get() or _global or _default()


def set_num_threads(n: int) -> None:
    """Use `n` threads from now on, in the whole process.

    Parameters
    ----------
    n : int
        At least 1.
    """
    global _global
    _global = _checked(n)


@contextlib.contextmanager
def num_threads(n: int) -> Iterator[None]:
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


def team(elements: int) -> int:
    """Threads for one pass over so many elements."""
    return min(get_num_threads(), max(1, elements // _ELEMENTS_PER_THREAD))


def pin(n: int) -> contextvars.Token[int]:
    """Fix the number of threads in this Python thread until `unpin`; the cheap form of `num_threads`, without checks."""
    return _local.set(n)


def unpin(token: contextvars.Token[int]) -> None:
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


class _SingleThreadedBlas:
    """Holds SciPy's BLAS at one thread while at least one user, in any Python thread, is inside the ``with`` block."""

    def __init__(self):
        self._libraries = None
        self._before = []
        self.reset()

    def reset(self):
        """Forget users and the lock, which a forked child inherits in any state; counts to restore are kept."""
        self._lock = threading.Lock()
        self._users = 0

    def __enter__(self):
        with self._lock:
            if self._libraries is None:
                self._libraries = _scipy_blas()
            if self._users == 0:
                self._lower()
            self._users += 1

    def __exit__(self, *exception):
        with self._lock:
            self._users -= 1
            if self._users == 0:
                while self._before:
                    library, count = self._before.pop()
                    library.set_num_threads(count)

    def _lower(self):
        for library in self._libraries:
            count = library.get_num_threads()
            # None: a library that does not tell, and cannot be told.
            if count is not None and count != 1:
                self._before.append((library, count))
                library.set_num_threads(1)


single_threaded_blas = _SingleThreadedBlas()


def _scipy_blas():
    """Controllers of the BLAS that SciPy calls; threadpoolctl takes milliseconds to find them, hence once a process."""
    import scipy
    import scipy.linalg.cython_blas  # loads the library
    from threadpoolctl import ThreadpoolController

    blas = ThreadpoolController().select(user_api="blas").lib_controllers
    # Wheels bring a library of their own, which NumPy does not use: leave NumPy's alone.
    home = os.path.dirname(os.path.realpath(scipy.__file__))
    own = [library for library in blas if os.path.realpath(library.filepath).startswith((home + ".libs", home + os.sep))]
    return [_OpenBlas(library) if library.internal_api == "openblas" else library for library in own or blas]


class _OpenBlas:
    """OpenBLAS's own functions: threadpoolctl's setter does nothing in all Python threads but the first that calls it."""

    _NAMES = ("{}openblas_{}_num_threads{}", ("", "scipy_"), ("", "64_", "_64"))

    def __init__(self, library):
        self.filepath = library.filepath
        loaded = ctypes.CDLL(library.filepath)
        self.get_num_threads, self.set_num_threads = (self._function(loaded, verb) for verb in ("get", "set"))

    def _function(self, loaded, verb):
        pattern, prefixes, suffixes = self._NAMES
        names = [pattern.format(prefix, verb, suffix) for prefix in prefixes for suffix in suffixes]
        # A build without threads may lack them; there is nothing to set then.
        return next((getattr(loaded, name) for name in names if hasattr(loaded, name)), lambda *n: None)


def _after_fork():
    global _forked
    _forked = True
    single_threaded_blas.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
