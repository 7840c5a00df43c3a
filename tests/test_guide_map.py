"""docs/guide_map.md names what there is."""

import functools
import pathlib
import re

import pytest

import fastconv

ROOT = pathlib.Path(__file__).parents[1]
PAGE = ROOT / "docs" / "guide_map.md"
TEXT = PAGE.read_text("utf-8") if PAGE.is_file() else ""
NAMES = sorted(set(re.findall(r"`fastconv\.([\w.]+)", TEXT)))
FILES = sorted(set(re.findall(r"`((?:tests|examples)/[\w/]+\.py)(?:::(\w+))?`", TEXT)))


def test_the_page_is_there():
    assert PAGE.is_file() == bool(NAMES) == bool(FILES)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_those_of_the_library(name):
    functools.reduce(getattr, name.split("."), fastconv)


@pytest.mark.parametrize(("path", "test"), FILES)
def test_tests_and_examples_exist(path, test):
    if not (ROOT / "examples").is_dir() and path.startswith("examples"):
        pytest.skip("the examples are not beside the tests")
    text = (ROOT / path).read_text("utf-8")
    assert not test or re.search(rf"^def {test}\(", text, re.MULTILINE)


def test_everything_mentioned_is_looked_for():
    """No name or file is spelled so that the patterns above pass over it."""
    assert TEXT.count("tests/") == len(re.findall(r"`tests/[\w/]+\.py(?:::\w+)?`", TEXT))
    assert TEXT.count("fastconv.") == len(re.findall(r"`fastconv\.[\w.]+", TEXT))
