"""The number of threads: who sets it, who sees it, and what BLAS is left with."""

import concurrent.futures
import contextlib
import os
import subprocess
import sys
import threading

import pytest

from fastconv import threads
from fastconv.errors import InvalidArgumentError, InvalidTypeError
from fastconv.threads import get_num_threads, num_threads, set_num_threads, single_threaded_blas

FORKED_RUN = """
import os, sys
import numpy as np
from fastconv import algorithms
from fastconv.algorithms.base import as_activation
from fastconv.problem import ConvProblem
from fastconv.threads import get_num_threads, num_threads, set_num_threads

set_num_threads(2)
p = ConvProblem.parse("2x16x30x29,16x3x3,p1")
algorithm = algorithms.get("im2col")
x, w = np.ones(p.x_shape, np.float32), np.ones(p.w_shape, np.float32)

def run():
    workspace = np.empty(algorithm.workspace(p), np.uint8)
    out = np.empty(p.y_shape, np.float32)
    algorithm.run(p, x, algorithm.pack(p, w), None, as_activation(None), out, workspace)
    return out

before = run()
child = os.fork()
if child == 0:
    inside = [get_num_threads()]
    with num_threads(2):
        inside.append(get_num_threads())
    os._exit(0 if inside == [1, 1] and np.array_equal(run(), before) else 1)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.exit(status or not np.array_equal(run(), before))
"""


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    """Leaves the process's setting as it was."""
    monkeypatch.setattr(threads, "_global", threads._global)


@contextlib.contextmanager
def environment(monkeypatch, value):
    with monkeypatch.context() as patch:
        patch.setattr(threads, "_global", 0)
        patch.delenv("OMP_NUM_THREADS", raising=False) if value is None else patch.setenv("OMP_NUM_THREADS", value)
        yield


def in_a_new_thread(function):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_a_setting_holds_in_every_python_thread():
    set_num_threads(3)
    assert get_num_threads() == in_a_new_thread(get_num_threads) == 3


def test_contexts_nest_and_end():
    set_num_threads(4)
    with num_threads(2):
        with num_threads(3):
            assert get_num_threads() == 3
        assert get_num_threads() == 2
    assert get_num_threads() == 4


def test_a_context_ends_with_an_error():
    set_num_threads(4)
    with pytest.raises(KeyError), num_threads(2):
        raise KeyError
    assert get_num_threads() == 4


def test_a_context_concerns_its_own_python_thread_only():
    set_num_threads(4)
    with num_threads(2):
        assert in_a_new_thread(get_num_threads) == 4


def test_a_context_goes_before_a_setting_made_inside_it():
    with num_threads(2):
        set_num_threads(5)
        assert get_num_threads() == 2
    assert get_num_threads() == 5


@pytest.mark.parametrize(("value", "expected"), [("3", 3), (" 5 ", 5), ("4,2,1", 4)])
def test_the_default_is_what_openmp_is_told(monkeypatch, value, expected):
    with environment(monkeypatch, value):
        assert get_num_threads() == expected


@pytest.mark.parametrize("value", [None, "", "many", "0", "-2", ",3", "1.5"])
def test_without_a_usable_value_the_default_is_the_cpus_of_this_process(monkeypatch, value):
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with environment(monkeypatch, value):
        assert get_num_threads() == cpus


@pytest.mark.parametrize(
    ("n", "kind"),
    [(0, InvalidArgumentError), (-1, InvalidArgumentError), *((n, InvalidTypeError) for n in (1.5, True, "2"))],
)
def test_a_number_that_is_none_is_refused_by_name(n, kind):
    with pytest.raises(kind, match=r"^n: "):
        set_num_threads(n)
    with pytest.raises(kind, match=r"^n: "), num_threads(n):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_runs_on_one_thread_and_does_not_hang():
    finished = subprocess.run([sys.executable, "-c", FORKED_RUN], timeout=60, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("given", [None, "77"])
def test_loading_the_kernels_leaves_the_environment_as_it_was(given):
    program = "import os, fastconv.kernels.cpu as cpu; cpu.kernels(); print(os.environ.get('GOMP_SPINCOUNT'))"
    environment = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    if given:
        environment["GOMP_SPINCOUNT"] = given
    finished = subprocess.run([sys.executable, "-c", program], env=environment, timeout=60, capture_output=True, text=True)
    assert finished.stdout.strip() == str(given), finished.stderr


# -- BLAS -------------------------------------------------------------------------------------------------------------


class Library:
    """Stands for threadpoolctl's controller of a BLAS."""

    def __init__(self, count):
        self.count = count

    def get_num_threads(self):
        return self.count

    def set_num_threads(self, n):
        self.count = n


@pytest.fixture
def blas(monkeypatch):
    library = Library(7)
    monkeypatch.setattr(single_threaded_blas, "_libraries", [library])
    return library


def test_blas_runs_on_one_thread_inside_and_gets_its_count_back(blas):
    with single_threaded_blas:
        assert blas.count == 1
        with single_threaded_blas:
            assert blas.count == 1
        assert blas.count == 1
    assert blas.count == 7


def test_blas_gets_its_count_back_after_an_error(blas):
    with pytest.raises(KeyError), single_threaded_blas:
        raise KeyError
    assert blas.count == 7


def test_the_last_of_several_python_threads_gives_blas_its_count_back(blas):
    inside, leave = threading.Event(), threading.Event()

    def stay():
        with single_threaded_blas:
            inside.set()
            leave.wait(10)

    other = threading.Thread(target=stay)
    other.start()
    assert inside.wait(10)
    with single_threaded_blas:
        pass
    assert blas.count == 1
    leave.set()
    other.join()
    assert blas.count == 7


def test_python_threads_that_come_and_go_leave_blas_its_count(blas):
    def visit(_):
        with single_threaded_blas:
            return blas.count

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(visit, range(2000))) == {1}
    assert blas.count == 7


def test_a_blas_that_cannot_be_told_is_left_alone(blas):
    blas.count = None
    with single_threaded_blas:
        assert blas.count is None


def test_a_child_forked_inside_still_restores(blas):
    single_threaded_blas.__enter__()
    single_threaded_blas.reset()  # what the child does
    with single_threaded_blas:
        assert blas.count == 1
    assert blas.count == 7


def test_scipys_own_blas_is_held_from_any_python_thread_and_restored():
    from threadpoolctl import ThreadpoolController

    with single_threaded_blas:
        held = {library.filepath for library in single_threaded_blas._libraries}
    libraries = [lib for lib in ThreadpoolController().select(user_api="blas").lib_controllers if lib.filepath in held]
    assert libraries

    def counts():
        return [library.get_num_threads() for library in libraries]

    def inside():
        with single_threaded_blas:
            return counts()

    before = counts()
    assert inside() == in_a_new_thread(inside) == [1] * len(libraries)
    assert counts() == before
