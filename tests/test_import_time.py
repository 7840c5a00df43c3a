"""`import fastconv` costs little more than `import numpy`, and starts nothing."""

import re

import pytest

from subprocesses import assert_succeeded, python

ALLOWED_MS = 50
# Test machines are shared: allow three times as much, in proportion to how long NumPy itself takes there, in one of the tries.
GENEROUS = 3
TYPICAL_NUMPY_MS = 80
TRIES = 10


def test_costs_little_more_than_numpy():
    shares = []
    for _ in range(TRIES):
        process = python("-X", "importtime", "-c", "import numpy\nimport fastconv\nfastconv.conv2d")
        assert_succeeded(process)
        rows = re.findall(r"import time:\s*(\d+) \|\s*(\d+) \| *(\S+)$", process.stderr, re.MULTILINE)
        (numpy,) = [i for i, (_, _, module) in enumerate(rows) if module == "numpy"]
        numpy_ms = int(rows[numpy][1]) / 1000
        # Everything after NumPy, with what the first use of conv2d imports.
        extra_ms = sum(int(own) for own, _, _ in rows[numpy + 1 :]) / 1000
        shares.append(extra_ms / (ALLOWED_MS * GENEROUS * max(1, numpy_ms / TYPICAL_NUMPY_MS)))
        if shares[-1] <= 1:
            return
    pytest.fail(f"times what is allowed: {shares}")


def test_imports_neither_scipy_nor_other_heavy_packages():
    process = python("-c", "import sys, fastconv\nfastconv.conv2d\nprint(*sorted(m.split('.')[0] for m in sys.modules))")
    assert_succeeded(process)
    heavy = {"scipy", "click", "tqdm", "threadpoolctl", "platformdirs", "matplotlib", "multiprocessing", "concurrent", "torch"}
    assert not heavy & set(process.stdout.split())


COMPARES_BEFORE_AND_AFTER = """
import os, threading
import numpy

def running():
    tasks = "/proc/self/task"
    return len(os.listdir(tasks)) if os.path.isdir(tasks) else threading.active_count()

environment, threads = dict(os.environ), running()
import fastconv
fastconv.conv2d
assert environment == dict(os.environ)
assert threads == running()
"""


def test_touches_neither_environment_nor_threads():
    assert_succeeded(python("-c", COMPARES_BEFORE_AND_AFTER))


def test_the_first_plan_of_a_process_is_kept():
    """Loading the algorithms that come with the package does not put plans out of date."""
    program = "import fastconv as fc\np = fc.ConvProblem.parse('1x3x8x8,4x3x3')\nassert fc.plan(p) is fc.plan(p)"
    assert_succeeded(python("-c", program))
