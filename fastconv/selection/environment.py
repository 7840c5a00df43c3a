"""What measured times depend on besides the problem: library, processor, instruction set, caches, BLAS."""

from __future__ import annotations

import functools
import glob
import hashlib
import importlib.metadata
import importlib.util
import json
import pathlib
import platform
import re

from ..kernels import cpu

__all__ = ["describe", "folder_name"]


def describe():
    """The environment as a dict of text."""
    return dict(_describe(cpu.kernels()))


def folder_name():
    """A readable name for the environment that differs for every other one."""
    return _folder_name(cpu.kernels())


@functools.lru_cache(maxsize=8)
def _describe(kernels):
    return {
        "fastconv": importlib.import_module("fastconv").__version__,
        "build": _build(kernels),
        "cpu": _cpu_model(),
        "instruction_set": cpu.isa(),
        "caches": _caches(),
        "blas": _blas(),
    }


@functools.lru_cache(maxsize=8)
def _folder_name(kernels):
    environment = _describe(kernels)
    digest = hashlib.sha256(json.dumps(environment, sort_keys=True).encode()).hexdigest()[:16]
    model = re.sub(r"[^A-Za-z0-9]+", "-", environment["cpu"])[:40].strip("-")
    return f"{model}-{environment['instruction_set']}-{digest}"


def _build(kernels):
    """A digest of the compiled kernels and of the algorithms that call them."""
    package = pathlib.Path(__file__).parent.parent
    digest = hashlib.blake2b(digest_size=8)
    for path in (pathlib.Path(kernels.__file__), *sorted(package.glob("algorithms/*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            fields = dict(
                re.findall(r"^(vendor_id|model name|cpu family|model|stepping|CPU part)\s*:\s*(.*)$", file.read(), re.M)
            )
    except OSError:
        fields = {}
    if not fields:
        return f"{platform.machine()} {platform.processor()}".strip()
    name = fields.pop("model name", platform.machine())
    return " ".join([name, *(f"{key} {value}" for key, value in sorted(fields.items()) if key != "vendor_id")])


def _caches():
    sizes = []
    for index in sorted(glob.glob("/sys/devices/system/cpu/cpu0/cache/index*")):
        try:
            level, kind, size = (pathlib.Path(index, name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if kind != "Instruction":
            sizes.append(f"L{level} {size}")
    return ", ".join(sizes)


def _blas():
    """SciPy's version and what it says of its BLAS, OpenMP included, without importing it."""
    try:
        version = importlib.metadata.version("scipy")
        path = pathlib.Path(importlib.util.find_spec("scipy").origin).with_name("__config__.py")
        spec = importlib.util.spec_from_file_location("_scipy_config", path)
        config = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(config)
        blas = config.CONFIG["Build Dependencies"]["blas"]
    except (ImportError, OSError, AttributeError, KeyError):
        return "unknown"
    described = [str(blas.get(key, "")) for key in ("name", "version", "openblas configuration")]
    return " ".join([f"scipy {version}", *filter(None, described)])
