"""What is in a wheel: all that the package reads, and no sources of compiled modules."""

import importlib.metadata
import pathlib
import tomllib

import pytest

import fastconv

PACKAGE = pathlib.Path(fastconv.__file__).parent
PROJECT = pathlib.Path(__file__).parents[1] / "pyproject.toml"
SOURCES = {".pyx", ".pxd", ".pxi", ".h", ".c"}
COMPILED = {".so", ".pyd"}


def files():
    return {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def test_data_is_among_what_wheels_take_along():
    patterns = tomllib.loads(PROJECT.read_text("utf-8"))["tool"]["setuptools"]["package-data"]["fastconv"]
    packaged = {path.relative_to(PACKAGE) for pattern in patterns for path in PACKAGE.glob(pattern)}
    data = {path for path in files() if path.suffix not in {".py", *SOURCES, *COMPILED}}
    assert data == packaged
    expected = {"py.typed", "__init__.pyi", "kernels/_cpu.pyi", "algorithms/machine.json", "report/layer_tables/resnet50.json"}
    assert expected <= {path.as_posix() for path in packaged}


def test_a_wheel_has_kernels_and_a_license_and_no_sources():
    try:
        distribution = importlib.metadata.distribution("fastconv")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("not installed")
    if distribution.locate_file("fastconv") != PACKAGE:
        pytest.skip("the package in this folder was imported, not the installed one")
    assert not {path for path in files() if path.suffix in SOURCES}
    modules = {path.name.split(".")[0] for path in files() if path.suffix in COMPILED}
    assert {"_baseline", "_cpu", "blas"} <= modules
    assert any(path.name == "LICENSE" for path in distribution.files)
