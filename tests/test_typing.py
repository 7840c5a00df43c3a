"""Everything that programs can name has types: each parameter and result of public functions, methods and properties."""

import ast
import importlib
import inspect
import pathlib

import pytest

import fastconv

# What callers name without naming it: methods that the language calls for them.
SPECIAL = {"__init__", "__init_subclass__", "__call__", "__iter__", "__len__", "__getitem__", "__enter__", "__exit__"}
MODULES = ["fastconv", *(f"fastconv.{name}" for name in fastconv._SUBMODULES)]


def members(kind):
    """The functions behind a class's own public methods and properties."""
    for name, member in vars(kind).items():
        if not name.startswith("_") or name in SPECIAL:
            member = getattr(member, "__func__", getattr(member, "fget", getattr(member, "func", member)))
            if inspect.isfunction(member):
                yield member


def public(module, seen):
    """Functions that programs reach through a module's `__all__` and that of the modules in it."""
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.ismodule(thing) and hasattr(thing, "__all__") and thing not in seen:
            seen.append(thing)
            yield from public(thing, seen)
        elif inspect.isclass(thing) and not issubclass(thing, BaseException):
            for kind in thing.__mro__:
                yield from members(kind)
        elif inspect.isfunction(thing):
            yield inspect.unwrap(thing)


def untyped(function):
    signature = inspect.signature(function)
    names = [name for name, p in signature.parameters.items() if p.annotation is p.empty and name not in ("self", "cls")]
    return names + ["return"] * (signature.return_annotation is signature.empty and function.__name__ != "__init__")


@pytest.mark.parametrize("name", MODULES)
def test_public_functions_have_types(name):
    functions = {f for f in public(importlib.import_module(name), []) if f.__module__.startswith("fastconv")}
    assert not {f"{f.__module__}.{f.__qualname__}": untyped(f) for f in functions if untyped(f)}


def test_the_stub_has_the_public_names_from_where_they_are():
    stub = ast.parse(pathlib.Path(fastconv.__file__).with_suffix(".pyi").read_text("utf-8"))
    imported = {alias.name: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported == fastconv._DEFINED_IN | dict.fromkeys(fastconv._SUBMODULES)
