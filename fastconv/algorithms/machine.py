"""What cost models know of the machine: rates of its units, and a factor for each kind of work of each algorithm.

    predicted seconds = sum over an algorithm's terms of factor * seconds at the machine's full rates

The shipped constants, by instruction set, are `machine.json` beside this file, read on first use; `fastconv calibrate`
measures those of a machine, and `calibrated` puts them in force.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
import json
import math
from importlib import resources

from ..kernels import cpu
from ..threads import get_num_threads

__all__ = [
    "Constants", "calibrated", "call_seconds", "compute_seconds", "constants", "lanes", "predict", "shipped", "traffic_seconds",
]  # fmt: skip

_VECTOR_BYTES = {"baseline": 16, "avx2": 32, "avx512": 64, "amx": 64}


@dataclasses.dataclass(frozen=True)
class Constants:
    """Rates of one machine on one instruction set.

    Attributes
    ----------
    fma : float
        Float32 multiply-adds per second of one core in a register-tiled loop; float64 runs at half of it.
    near, far, memory : float
        Bytes per second that one core moves in the second-level cache, the last-level cache, and memory.
    near_bytes, far_bytes : float
        Sizes of these caches.
    call, fork : float
        Seconds of entering a kernel from Python, and of a parallel region.
    thread_efficiency : float
        Of a second thread and more.
    factors : dict of str to dict of str to float
        By the name of a model and of its term; a term that is not there has factor 1.
    """

    fma: float
    near: float
    far: float
    memory: float
    near_bytes: float
    far_bytes: float
    call: float
    fork: float
    thread_efficiency: float
    factors: dict[str, dict[str, float]]

    def __post_init__(self):
        rates = [getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "factors"]
        for value in (*rates, *(factor for terms in self.factors.values() for factor in terms.values())):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
                raise ValueError(f"{value!r} is not a rate")


_calibrated = contextvars.ContextVar("fastconv_machine", default=None)


@functools.cache
def shipped(isa):
    """The constants that ship with the package, measured on one current server core."""
    text = resources.files(__package__).joinpath("machine.json").read_text("utf-8")
    sets = json.loads(text)
    return Constants(**sets.get(isa, sets["baseline"]))


def constants():
    """The constants in force."""
    return _calibrated.get() or shipped(cpu.isa())


@contextlib.contextmanager
def calibrated(found):
    """Costs inside a ``with`` block are predicted with these constants, in this Python thread; None: with the shipped ones."""
    token = _calibrated.set(found)
    try:
        yield
    finally:
        _calibrated.reset(token)


def predict(model, terms):
    """Seconds of work given as seconds at full rates by term, with the factors of a model."""
    factors = constants().factors.get(model, {})
    return sum(factors.get(term, 1.0) * seconds for term, seconds in terms.items())


def lanes(problem):
    """Elements in a vector register of the instruction set in use."""
    return _VECTOR_BYTES[cpu.isa()] // problem.itemsize


def call_seconds(threads=None):
    """Fixed time of one call."""
    found = constants()
    return found.call + (found.fork if _threads(threads) > 1 else 0)


def compute_seconds(multiply_adds, dtype, threads=None):
    """Time of so many multiply-adds at the peak rate."""
    found = constants()
    return multiply_adds / (found.fma * (1 if dtype == "float32" else 0.5) * _speedup(found, threads))


def traffic_seconds(nbytes, footprint, threads=None):
    """Time to move so many bytes of data that takes `footprint` bytes in all, from the level that holds it."""
    found = constants()
    rate = found.near if footprint <= found.near_bytes else found.far if footprint <= found.far_bytes else found.memory
    return nbytes / (rate * _speedup(found, threads))


def _threads(threads):
    return get_num_threads() if threads is None else threads


def _speedup(found, threads):
    return 1 + (_threads(threads) - 1) * found.thread_efficiency
