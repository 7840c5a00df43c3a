"""The examples in the docstrings do what they show."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import fastconv
import fastconv.data

# Compiled modules have no examples; running __main__ is the command line.
MODULES = [
    module.name
    for module in pkgutil.walk_packages(fastconv.__path__, "fastconv.")
    if not module.name.startswith("fastconv.kernels") and not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failures, _ = doctest.testmod(importlib.import_module(name), extraglobs={"np": np})
    assert failures == 0


def test_every_public_name_has_an_example_or_points_to_one_that_has():
    finder = doctest.DocTestFinder(recurse=False)
    without = {
        name
        for name in fastconv.data.__all__
        if name not in ("transforms", "LazyImages")
        and not any(test.examples for test in finder.find(getattr(fastconv.data, name), name))
    }
    assert without == {"cifar100", "fashion_mnist", "read_image"}
