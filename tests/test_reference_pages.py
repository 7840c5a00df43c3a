"""docs/reference lists every public name."""

import ast
import functools
import re
import types

import pytest

import fastconv
from pages import DOCS

LISTED = re.compile(
    r"^\.\. currentmodule:: (\S+)\n\n\.\. autosummary::\n   :toctree: generated\n\n((?:   \w+\n)+)", re.MULTILINE
)


def modules(module):
    """A module and the public ones in it."""
    yield module
    for name in getattr(module, "__all__", ()):
        inner = getattr(module, name)
        if isinstance(inner, types.ModuleType):
            yield from modules(inner)


def listed():
    """Full names on the pages."""
    return [
        f"{match[1]}.{name}"
        for page in sorted((DOCS / "reference").glob("*.md"))
        for match in LISTED.finditer(page.read_text("utf-8"))
        for name in match[2].split()
    ]


def resolve(name):
    return functools.reduce(getattr, name.split(".")[1:], fastconv)


PUBLIC = [
    f"{module.__name__}.{name}"
    for module in modules(fastconv)
    for name in module.__all__
    if not name.startswith("__") and not isinstance(getattr(module, name), types.ModuleType)
]


def test_names_are_listed_once_and_exist():
    assert len(set(listed())) == len(listed())
    for name in listed():
        resolve(name)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_listed(name):
    """Under this name, or under another of the same thing."""
    assert any(resolve(name) is resolve(other) for other in listed())


def test_every_listed_name_says_what_it_is():
    assert [name for name in listed() if callable(resolve(name)) and not (resolve(name).__doc__ or "").strip()] == []


def test_every_name_has_a_file_of_its_own_where_upper_and_lower_case_are_one():
    tree = ast.parse((DOCS / "conf.py").read_text("utf-8"))
    assigned = {
        node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign) and hasattr(node.targets[0], "id")
    }
    renamed = ast.literal_eval(assigned["autosummary_filename_map"])
    files = [renamed.get(name, name).lower() for name in listed()]
    assert len(set(files)) == len(files)
