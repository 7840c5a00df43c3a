"""Which compiled kernels run: what the machine has, what FASTCONV_ISA allows, and why not those for matrix units."""

import pytest

import fastconv as fc
from fastconv.algorithms import machine
from fastconv.kernels import cpu
from subprocesses import assert_succeeded, python

ORDER = ("baseline", "avx2", "avx512", "amx")
needs_matrix_units = pytest.mark.skipif("amx" not in cpu.available(), reason="no matrix units")


def test_sets_are_listed_lowest_first_and_the_baseline_is_always_there():
    sets = cpu.available()
    assert sets[0] == "baseline" and sets == tuple(s for s in ORDER if s in sets)


@pytest.mark.parametrize("limit", ORDER)
def test_the_highest_set_up_to_the_limit_is_in_use(limit):
    expected = [s for s in cpu.available() if ORDER.index(s) <= ORDER.index(limit)][-1]
    with cpu.use(limit):
        assert cpu.isa() == expected
    process = python("-c", "from fastconv.kernels import cpu\nprint(cpu.isa())", FASTCONV_ISA=limit)
    assert_succeeded(process)
    assert process.stdout.split() == [expected]


def test_unknown_sets_are_refused():
    with pytest.raises(fc.FastconvError, match="'sse9', expected one of baseline, avx2, avx512, amx"), cpu.use("sse9"):
        pass


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_models_know_the_vectors_of_every_set(isa, dtype):
    problem = fc.ConvProblem.parse("1x16x8x8,16x3x3", dtype=dtype)
    assert machine.lanes(problem) == cpu.kernels().fft_lanes(problem.itemsize)


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
def test_lower_sets_say_why_there_are_no_matrix_units(isa):
    reason = cpu.why_no_matrix_units()
    if isa == "amx":
        assert reason is None
    else:
        assert reason == f"FASTCONV_ISA allows {isa} at most"


@pytest.mark.skipif("amx" in cpu.available(), reason="has matrix units")
def test_machines_without_matrix_units_say_so():
    with cpu.use("amx"):
        assert "matrix units (AMX)" in cpu.why_no_matrix_units()


@pytest.mark.parametrize(
    ("lacking", "reason"),
    [
        ("processor", "this processor has no matrix units"),
        ("build", "this build of fastconv has no kernels for matrix units"),
        ("grant", "the operating system does not let this process use matrix units"),
    ],
)
def test_whatever_is_lacking_is_the_reason(lacking, reason):
    """In a process of its own: what a machine can do is found out once."""
    process = python("-c", LACKING, lacking)
    assert_succeeded(process)
    assert process.stdout.strip() == f"{[s for s in cpu.available() if s != 'amx'][-1]}: {reason} (AMX)"


LACKING = """
import importlib.util, sys
from fastconv.kernels import _cpu, cpu

lacking = sys.argv[1]
sets = [s for s in cpu._ORDER if s in _cpu.instruction_sets() and s != "amx"]
_cpu.instruction_sets = lambda: tuple(sets if lacking == "processor" else [*sets, "amx"])
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name: (lacking != "build" or None) if name.endswith("._amx") else find_spec(name)
_cpu.grants_tiles = lambda: lacking != "grant"
with cpu.use("amx"):
    print(f"{cpu.isa()}: {cpu.why_no_matrix_units()}")
"""


@needs_matrix_units
def test_matrix_units_are_asked_for_at_first_use_and_only_where_allowed():
    for limit in ("avx512", ""):
        process = python("-c", ASKS, FASTCONV_ISA=limit)
        assert_succeeded(process)
        before, imported, used, child = map(int, process.stdout.split())
        assert imported == before
        assert used == child == (before if limit else before | TILES)


# The bit of the tiles among what a process may use: XFEATURE_XTILEDATA of arch/x86/include/asm/fpu/types.h.
TILES = 1 << 18
ASKS = """
import ctypes, os
import numpy

SYS_arch_prctl, ARCH_GET_XCOMP_PERM = 158, 0x1022
libc = ctypes.CDLL(None)

def permitted():
    bits = ctypes.c_uint64()
    assert libc.syscall(SYS_arch_prctl, ARCH_GET_XCOMP_PERM, ctypes.byref(bits)) == 0
    print(bits.value, flush=True)

permitted()
import fastconv
fastconv.conv2d
permitted()
from fastconv.kernels import cpu
cpu.why_no_matrix_units()
permitted()
child = os.fork()
if child == 0:
    permitted()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
