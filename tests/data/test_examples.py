"""The examples in the docstrings do what they show."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import fastconv.data
import fastconv.extras

MODULES = [fastconv.extras.__name__, *(m.name for m in pkgutil.walk_packages(fastconv.data.__path__, "fastconv.data."))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    failures, _ = doctest.testmod(module, extraglobs={"np": np})
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
