"""What a result depends on beside the code: versions, the processor, threads and the variables that steer them."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform

from ..kernels import _cpu, cpu
from ..selection import environment
from ..threads import get_num_threads

__all__ = ["describe_environment"]

_PACKAGES = ("numpy", "scipy", "threadpoolctl")
_VARIABLE_PREFIXES = ("FASTCONV_", "OMP_", "GOMP_", "KMP_", "OPENBLAS_", "MKL_", "BLIS_", "VECLIB_")


def describe_environment():
    """Versions, BLAS, compiler, instruction sets, processor, caches, OpenMP, threads and the relevant environment variables.

    Returns
    -------
    dict
        Plain values by name, in the order to show them in; what cannot be found out is left out.
    """
    measured = environment.describe()
    found = {
        "python": f"{platform.python_version()} ({platform.python_implementation()}, {platform.python_compiler()})",
        "fastconv": measured["fastconv"],
        **{package: _version(package) for package in _PACKAGES},
        "BLAS": _blas(),
        "kernels": f"{measured['build']}, built by {_cpu.compiler()}",
        "OpenMP": _openmp(),
        "instruction sets": ", ".join(s + (" (in use)" if s == cpu.isa() else "") for s in cpu.available()),
        "platform": platform.platform(),
        "CPU": measured["cpu"],
        "CPUs": f"{_usable_cpus()} of {os.cpu_count()} usable by this process",
        "caches": measured["caches"],
        "threads": str(get_num_threads()),
        "variables": ", ".join(f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith(_VARIABLE_PREFIXES)) or "none",
    }
    return {name: value for name, value in found.items() if value}


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _blas():
    import scipy.linalg.cython_blas  # noqa: F401 -- loads the BLAS that the kernels call
    from threadpoolctl import threadpool_info

    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    texts = [
        f"{library['internal_api']} {library['version']} ({library.get('architecture')}, {library.get('threading_layer')}, "
        f"{pathlib.Path(library['filepath']).name})"
        for library in libraries
    ]
    return "; ".join(sorted(texts))


def _openmp():
    if not _cpu.openmp():
        return "none: one thread only"
    return f"{_cpu.openmp()}, {'threads of fastconv' if _cpu.own_team() else 'threads of the compiler'}"


def _usable_cpus():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
