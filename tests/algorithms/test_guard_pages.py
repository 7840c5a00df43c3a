"""No algorithm touches a byte outside its arrays, nor writes to its inputs: the memory next to them faults."""

import sys

import pytest

from fastconv import algorithms
from fastconv.kernels import cpu
from harness import HIGHEST
from subprocesses import TESTS, assert_succeeded, python


@pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")
@pytest.mark.parametrize("name", algorithms.names())
@pytest.mark.parametrize("isa", cpu.available())
def test_stays_within_its_arrays(isa, name):
    cases = "all" if isa == HIGHEST else "everywhere"
    process = python("-X", "faulthandler", TESTS / "algorithms" / "guarded_run.py", isa, name, cases)
    assert_succeeded(process)
    assert "survived" in process.stdout


def test_a_read_past_the_end_is_noticed():
    process = python("-c", (
        "import ctypes\nfrom algorithms.guarded_run import GuardedPages\n"
        "a = GuardedPages().place(5, at_end=True)\nprint('reading', flush=True)\nctypes.string_at(a.ctypes.data, 6)"
    ))  # fmt: skip
    assert process.stdout == "reading\n" and process.returncode != 0
