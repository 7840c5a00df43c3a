import os

# Idle OpenMP threads sleep instead of spinning: tests use more threads than a busy machine has cores to spare.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest

from fastconv.kernels import cpu


@pytest.fixture(scope="session", autouse=True)
def temporary_store(tmp_path_factory):
    """Neither reads nor writes the user's stored plans, in child processes as little as here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTCONV_CACHE_DIR", str(tmp_path_factory.mktemp("store")))
        yield


@pytest.fixture
def isa(request):
    """Runs the test with one instruction set; parametrised indirectly."""
    with cpu.use(request.param):
        yield request.param
