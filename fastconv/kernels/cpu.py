"""Chooses the compiled kernels for this machine.

    _baseline.pyx   _avx2.pyx   _avx512.pyx   _amx.pyx      the same kernels.pxi and C sources, built once per instruction set
            \\           \\           /           /
                          kernels()                         the highest that machine and FASTCONV_ISA allow, loaded at first use

`FASTCONV_ISA` (baseline, avx2, avx512, amx) sets the highest instruction set to use; a set the machine lacks means the next
lower. Processors with matrix units (amx is AVX-512 and these) run amx if the operating system lets the process use them, which
is asked for when the set is first considered.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import os

from ..errors import InvalidArgumentError

__all__ = ["available", "isa", "kernels", "use", "why_no_matrix_units"]

# Lowest first; each has what those before it have.
_ORDER = ("baseline", "avx2", "avx512", "amx")

_selected = None
_limit = ""


def available():
    """Instruction sets that were built and that this machine can run, lowest first."""
    return tuple(s for s in _ORDER if _obstacle(s) is None)


def kernels():
    """The extension module with the kernels in use."""
    return _selected or _select(os.environ.get("FASTCONV_ISA", ""))


def isa():
    """Name of the instruction set in use."""
    return kernels().__name__.rpartition("._")[2]


def why_no_matrix_units():
    """Why the kernels in use are not those for matrix units, in one line; None where they are."""
    if isa() == "amx":
        return None
    return f"FASTCONV_ISA allows {_limit} at most" if "amx" not in _allowed(_limit) else _obstacle("amx")


@contextlib.contextmanager
def use(name):
    """Use another instruction set inside a ``with`` block, in the whole process: for tests and comparisons."""
    global _selected, _limit
    before = _selected, _limit
    _select(name)
    try:
        yield
    finally:
        _selected, _limit = before


def _select(limit):
    global _selected, _limit
    if limit and limit not in _ORDER:
        raise InvalidArgumentError(f"FASTCONV_ISA: got {limit!r}, expected one of {', '.join(_ORDER)}")
    best = next(s for s in reversed(_allowed(limit)) if _obstacle(s) is None)
    _selected, _limit = importlib.import_module(f"._{best}", __package__), limit
    return _selected


def _allowed(limit):
    return _ORDER[: _ORDER.index(limit) + 1] if limit else _ORDER


@functools.cache
def _obstacle(isa):
    """Why the kernels for an instruction set cannot run here, in one line; None where they can."""
    from . import _cpu

    units = "matrix units (AMX)" if isa == "amx" else isa
    if isa not in _cpu.instruction_sets():
        return f"this processor has no {units}"
    if importlib.util.find_spec(f"{__package__}._{isa}") is None:
        return f"this build of fastconv has no kernels for {units}"
    # Last, so that a process which cannot use the matrix units does not ask for them.
    if isa == "amx" and not _cpu.grants_tiles():
        return f"the operating system does not let this process use {units}"
    return None
