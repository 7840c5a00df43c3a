"""Scripts in a Python of their own, for what may crash, hang or has to start fresh."""

import os
import pathlib
import subprocess
import sys

import fastconv

TESTS = pathlib.Path(__file__).parent


def python(*arguments, timeout=120, **environment):
    """Runs ``python *arguments`` with this fastconv and these test helpers importable; returns the CompletedProcess."""
    paths = [str(pathlib.Path(fastconv.__file__).parents[1]), str(TESTS)]
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "PYTHONPATH": os.pathsep.join(paths), **environment}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )


def assert_succeeded(process):
    last_line = (process.stdout.splitlines() or ["nothing printed"])[-1]
    assert process.returncode == 0, f"exit status {process.returncode} during: {last_line}\n{process.stderr[-4000:]}"
