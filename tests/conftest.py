import os

# Idle OpenMP threads sleep instead of spinning: tests use more threads than a busy machine has cores to spare.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest  # noqa: E402

from fastconv.kernels import cpu  # noqa: E402


@pytest.fixture
def isa(request):
    """Runs the test with one instruction set; parametrised indirectly."""
    with cpu.use(request.param):
        yield request.param
