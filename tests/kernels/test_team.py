"""The threads of parallel regions: kernels/team.c where it stands for the compiler's OpenMP library."""

import os
import pathlib
import shlex
import shutil
import subprocess
import sysconfig

import pytest

import fastconv
from fastconv.kernels import _cpu
from subprocesses import assert_succeeded, python

pytestmark = pytest.mark.skipif(not _cpu.own_team(), reason="another OpenMP library runs the regions")

KERNELS = pathlib.Path(fastconv.__file__).parent / "kernels"
REGIONS = pathlib.Path(__file__).with_name("team_regions.c")

CONVOLUTION = """
import time
import numpy as np
import fastconv as fc

x, w = np.ones((1, 16, 30, 29), np.float32), np.ones((16, 16, 3, 3), np.float32)

def convolve(threads):
    with fc.num_threads(threads):
        return fc.conv2d(x, w, padding=1, algorithm="direct")

def tasks():
    return set(os.listdir("/proc/self/task"))

def wait_until_asleep(worker):
    # It may still be about to move to another CPU, for a call that ended without it.
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with open(f"/proc/self/task/{worker}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] == "S":
                return
        time.sleep(0.01)

expected = convolve(1)
"""


def run(program, **environment):
    process = python("-c", f"import os\n{CONVOLUTION}\n{program}", **environment)
    assert_succeeded(process)
    return process.stdout.split()


@pytest.mark.parametrize("policy", ["active", "passive"])
def test_regions_loops_and_barriers(tmp_path, policy):
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    if not shutil.which(compiler[0]) or not (KERNELS / "team.c").exists():
        pytest.skip("needs a compiler and the sources")
    program = tmp_path / "regions"
    compile_both = [*compiler, "-c", "-std=gnu11", "-O1", "-fopenmp", f"-I{KERNELS}", REGIONS, KERNELS / "team.c"]
    subprocess.run(compile_both, cwd=tmp_path, check=True, timeout=120)
    # Without the compiler's OpenMP library.
    link = [*compiler, tmp_path / "team_regions.o", tmp_path / "team.o", "-pthread", "-o", program]
    subprocess.run(link, check=True, timeout=120)
    environment = {**os.environ, "OMP_WAIT_POLICY": policy}
    finished = subprocess.run([program], env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 0, finished.stdout[-2000:]


def test_no_openmp_library_comes_along():
    assert run("convolve(2)\nprint(sum('libgomp' in line for line in open('/proc/self/maps')))") == ["0"]


def test_workers_start_with_the_first_call_that_uses_them_and_end_with_their_caller():
    program = """
import threading, time
found = [len(tasks())]
convolve(3)
found.append(len(tasks()))
convolve(2)
found.append(len(tasks()))
caller = threading.Thread(target=convolve, args=(4,))
caller.start(), caller.join()
deadline = time.monotonic() + 60
while len(tasks()) > found[0] + 2 and time.monotonic() < deadline:
    time.sleep(0.01)
found.append(len(tasks()))
print(*(n - found[0] for n in found))
"""
    assert run(program) == ["0", "2", "2", "2"]


def test_workers_leave_signals_to_the_program():
    program = """
before = tasks()
convolve(2)
(worker,) = tasks() - before
status = dict(line.split(":", 1) for line in open(f"/proc/self/task/{worker}/status"))
print(status["SigBlk"])
"""
    (blocked,) = run(program)
    assert int(blocked, 16) >> 14 & 1 and int(blocked, 16) >> 1 & 1  # SIGTERM, SIGINT


def test_more_threads_than_cpus():
    program = """
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
for _ in range(20):
    assert np.array_equal(convolve(3), expected)
"""
    run(program, OMP_WAIT_POLICY="active")


def test_workers_stay_on_the_cpus_that_they_are_given():
    program = """
before = tasks()
for _ in range(50):
    convolve(2)
(worker,) = map(int, tasks() - before)
wait_until_asleep(worker)
# Not the one that it may have chosen itself, which cannot be told from one that it is given.
cpus = sorted(os.sched_getaffinity(0))
cpu = {cpus[0]} if {cpus[0]} != os.sched_getaffinity(worker) else {cpus[-1]}
os.sched_setaffinity(worker, cpu), os.sched_setaffinity(0, cpu)
for _ in range(50):
    convolve(2)
assert os.sched_getaffinity(worker) == cpu
"""
    run(program)


def test_workers_are_given_back_their_cpus():
    """Another process spins on a worker's CPU, so that its caller lends it its own."""
    program = """
import subprocess, sys
cpus = os.sched_getaffinity(0)
if len(cpus) < 2:
    sys.exit()
before = tasks()
convolve(2)
(worker,) = map(int, tasks() - before)
mine = min(cpus)
os.sched_setaffinity(0, {mine})
gy, batch = np.ones((1, 16, 30, 29), np.float32), np.ones((8, 16, 30, 29), np.float32)
spin = "import os\\nos.sched_setaffinity(0, {{{}}})\\nwhile True: pass"
spinners = [subprocess.Popen([sys.executable, "-c", spin.format(cpu)]) for cpu in cpus - {mine}]
try:
    for _ in range(200):
        assert np.array_equal(convolve(2), expected)
        with fc.num_threads(2):  # with barriers
            fc.conv2d_weight_grad(gy, x, w.shape, padding=1, algorithm="winograd4x4")
            fc.functional.batch_norm(batch, np.ones(16, np.float32), np.zeros(16, np.float32))
finally:
    for spinner in spinners:
        spinner.kill()
        spinner.wait()
convolve(2)
wait_until_asleep(worker)
assert os.sched_getaffinity(worker) in (cpus, cpus - {mine})
"""
    run(program)


def test_a_forked_child_has_workers_of_its_own():
    """The library keeps to one thread there; the kernels need not."""
    program = """
import sys
from fastconv import threads
convolve(2)
child = os.fork()
if child == 0:
    threads._forked = False
    os._exit(not np.array_equal(convolve(2), expected) or len(tasks()) < 2)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    run(f"import warnings\nwarnings.simplefilter('ignore', DeprecationWarning)\n{program}")
