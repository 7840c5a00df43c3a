"""No normalisation or elementwise operation touches a byte outside its arrays: the memory next to them faults."""

import sys

import pytest

from fastconv.kernels import cpu
from subprocesses import TESTS, assert_succeeded, python


@pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")
@pytest.mark.parametrize("isa", cpu.available())
def test_stays_within_its_arrays(isa):
    process = python("-X", "faulthandler", TESTS / "functional" / "guarded_channels.py", isa)
    assert_succeeded(process)
    assert "survived" in process.stdout
