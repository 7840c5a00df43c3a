"""Results depend on nothing but the operands, the plan and the number of threads."""

import concurrent.futures
import os

import pytest

from fastconv import algorithms
from fastconv.kernels import cpu
from fastconv.threads import num_threads
from harness import HIGHEST, assert_close, forms, in_supported_form, operands, run, runs
from problems import CASES, DIRECTIONS, DTYPES, EVERYWHERE, MEMORY_FORMATS, problem
from subprocesses import TESTS, assert_succeeded, python

SHARED_CASES = {name: CASES[name] for name in (
    "several blocks of tiles", "1x1", "stride 2", "groups", "depthwise", "5x5", "large kernel",
)}  # fmt: skip


@pytest.mark.parametrize(("isa", "name", "text", "direction"), runs(EVERYWHERE, DIRECTIONS), indirect=["isa"])
def test_any_number_of_threads_keeps_the_bound_and_repeats_bitwise(isa, name, text, direction):
    algorithm = algorithms.get(name)
    for number, threads in enumerate((1, 2, 3)):
        form = DTYPES[number % 2], MEMORY_FORMATS[(number + len(text)) % 2]
        p = in_supported_form(algorithm, problem(text, direction, *form))
        with num_threads(threads):
            first = run(algorithm, p, operands(p))
            # Whatever the memory held before.
            again = run(algorithm, p, operands(p), poison=7, scratch=0xFF)
        assert_close(algorithm, p, first)
        assert first.tobytes() == again.tobytes()


@pytest.mark.parametrize(("isa", "name", "text", "direction"), runs(SHARED_CASES, DIRECTIONS), indirect=["isa"])
def test_calls_from_several_python_threads_do_not_disturb_each_other(isa, name, text, direction):
    algorithm = algorithms.get(name)
    problems = [p for p in forms(algorithm, text, direction) if p.dtype == "float32"]

    def compute(p):
        with num_threads(2):
            return run(algorithm, p, operands(p))

    alone = [compute(p) for p in problems]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        together = list(pool.map(compute, problems * 4))
    for i, result in enumerate(together):
        assert result.tobytes() == alone[i % len(alone)].tobytes()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("isa", cpu.available())
def test_every_algorithm_works_in_a_child_forked_after_use(isa):
    process = python(TESTS / "algorithms" / "forked_run.py", timeout=60, FASTCONV_ISA=isa)
    assert_succeeded(process)
    assert process.stdout.split() == list(algorithms.names())


def test_the_instruction_set_under_test_is_the_one_in_use():
    for isa in cpu.available():
        with cpu.use(isa):
            assert cpu.isa() == isa
    assert cpu.isa() in (HIGHEST, os.environ.get("FASTCONV_ISA"))
