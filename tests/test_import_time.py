"""`import fastconv` costs little more than `import numpy`, and starts nothing."""

import re

from subprocesses import assert_succeeded, python

ALLOWED_MS = 50
# Shared test machines are slow at times.
GENEROUS = 3


def cumulative_ms(process, module):
    """Milliseconds that ``-X importtime`` shows for a module with all that it imported."""
    return int(re.search(rf"\|\s*(\d+) \|\s*{module}$", process.stderr, re.MULTILINE)[1]) / 1000


def test_costs_little_more_than_numpy():
    extra = []
    for _ in range(3):
        process = python("-X", "importtime", "-c", "import numpy\nimport fastconv\nfastconv.conv2d")
        assert_succeeded(process)
        # Everything after numpy, with what the first use of conv2d imports.
        rows = re.findall(r"import time:\s*(\d+) \|\s*\d+ \|( *)(\S+)$", process.stderr, re.MULTILINE)
        after = [i for i, (_, _, module) in enumerate(rows) if module == "numpy"][-1] + 1
        extra.append(sum(int(own) for own, _, _ in rows[after:]) / 1000)
        assert cumulative_ms(process, "fastconv") <= ALLOWED_MS * GENEROUS
    assert min(extra) <= ALLOWED_MS * GENEROUS, f"{extra} ms"


def test_imports_neither_scipy_nor_other_heavy_packages():
    process = python("-c", "import sys, fastconv\nfastconv.conv2d\nprint(*sorted(m.split('.')[0] for m in sys.modules))")
    assert_succeeded(process)
    heavy = {"scipy", "click", "tqdm", "threadpoolctl", "platformdirs", "matplotlib", "multiprocessing", "concurrent", "torch"}
    assert not heavy & set(process.stdout.split())


def test_touches_neither_environment_nor_threads():
    process = python("-c", (
        "import os, threading\nimport numpy\nenvironment, threads = dict(os.environ), len(os.listdir('/proc/self/task')) "
        "if os.path.isdir('/proc/self/task') else threading.active_count()\nimport fastconv\nfastconv.conv2d\n"
        "assert environment == dict(os.environ)\n"
        "assert threads == (len(os.listdir('/proc/self/task')) if os.path.isdir('/proc/self/task') else threading.active_count())"
    ))  # fmt: skip
    assert_succeeded(process)
