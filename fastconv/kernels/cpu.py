"""Chooses the compiled kernels for this machine.

    _baseline.pyx   _avx2.pyx   _avx512.pyx        the same kernels.pxi and C sources, built once per instruction set
            \\          |          /
                   kernels()                       the highest that the CPU and FASTCONV_ISA allow, imported at first use

`FASTCONV_ISA` (baseline, avx2, avx512, amx) sets the highest instruction set to use; a set the machine lacks means the next
lower.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os

from ..errors import InvalidArgumentError

__all__ = ["available", "isa", "kernels", "use"]

# Lowest first. The matrix units' kernels come on top of the AVX-512 ones; until they exist, "amx" allows everything.
_ORDER = ("baseline", "avx2", "avx512", "amx")

# How often libgomp's threads look for work, or for one another, before they sleep: about a tenth of a millisecond. At its
# default of several milliseconds, two threads that the system has put on one CPU keep each other from it for that long.
_SPINS = ("GOMP_SPINCOUNT", "10000")

_selected = None


def available():
    """Instruction sets that were built and that this machine can run, lowest first."""
    from . import _cpu

    return tuple(s for s in _cpu.instruction_sets() if importlib.util.find_spec(f"{__package__}._{s}"))


def kernels():
    """The extension module with the kernels in use."""
    return _selected or _select(os.environ.get("FASTCONV_ISA", ""))


def isa():
    """Name of the instruction set in use."""
    return kernels().__name__.rpartition("._")[2]


@contextlib.contextmanager
def use(name):
    """Use another instruction set inside a ``with`` block, in the whole process: for tests and comparisons."""
    global _selected
    before = _selected
    _select(name)
    try:
        yield
    finally:
        _selected = before


def _select(limit):
    global _selected
    if limit and limit not in _ORDER:
        raise InvalidArgumentError(f"FASTCONV_ISA: got {limit!r}, expected one of {', '.join(_ORDER)}")
    allowed = _ORDER[: _ORDER.index(limit) + 1] if limit else _ORDER
    best = [s for s in available() if s in allowed][-1]
    _selected = _load(f"_{best}")
    return _selected


def _load(name):
    """Import an extension module; the first brings in libgomp, which reads the environment then and never again."""
    own = not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys()
    if own:
        os.environ.update([_SPINS])
    try:
        return importlib.import_module(f".{name}", __package__)
    finally:
        if own:
            del os.environ[_SPINS[0]]
