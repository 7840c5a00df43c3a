"""What the contract tests do not see of im2col: many blocks, long sums, the workspace limit and BLAS."""

import subprocess
import sys

import numpy as np
import pytest

from fastconv import algorithms
from fastconv.algorithms import im2col
from fastconv.threads import num_threads
from harness import assert_close, assert_equal, operands, run
from problems import DIRECTIONS, DTYPES, MEMORY_FORMATS, problem

ALGORITHM = algorithms.get("im2col")

# Shapes that small blocks cut in every way: pixels within rows, images, groups, channels.
BLOCKED = (
    "3x7x9x8,5x3x3,p1",
    "2x12x9x8,9x3x2,s2x1,p1.2x0.3,g3",
    "3x40x5x7,33x1x1",
    "2x20x6x7,12x1x1,g2",
    "1x33x11x10,18x3x3,p2,d2",
    "2x6x9x9,12x3x3,p4,g6",
)
# Sums of thousands of terms; a single pixel or filter makes BLAS take its matrix-vector path.
LONG_SUMS = ("1x2048x3x3,9x3x3", "2x700x4x4,40x3x3,p1", "4x2x90x90,4x3x3,p1", "1x1000x5x5,1x1x1", "1x3x8x8,1500x3x3,p1")


@pytest.fixture(params=[(200, 3, 1), (1000, 1, 1), (20000, 7, 2)], ids=lambda sizes: f"{sizes[0]}B")
def small_blocks(request, monkeypatch):
    patch_bytes, pixels, part = request.param
    monkeypatch.setattr(im2col, "PATCH_BYTES", patch_bytes)
    monkeypatch.setattr(im2col, "MIN_PIXELS", pixels)
    monkeypatch.setattr(im2col, "MIN_PART", part)
    monkeypatch.setattr(im2col, "CHUNK_COLUMNS", {"input_grad": 20, "weight_grad": 30})
    im2col._blocks.cache_clear()
    yield
    im2col._blocks.cache_clear()


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("memory_format", MEMORY_FORMATS)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("text", BLOCKED)
def test_results_do_not_depend_on_the_blocks(small_blocks, text, direction, memory_format, threads):
    for dtype in DTYPES:
        p = problem(text, direction, dtype, memory_format)
        with num_threads(threads):
            assert_equal(ALGORITHM, p, run(ALGORITHM, p, operands(p, "integers")))


@pytest.mark.parametrize("memory_format", MEMORY_FORMATS)
@pytest.mark.parametrize("activation", ["relu", "silu", ("leaky_relu", 0.2)])
def test_every_block_gets_bias_and_activation(small_blocks, activation, memory_format):
    for text in BLOCKED:
        p = problem(text, "forward", "float32", memory_format)
        data = operands(p)
        with num_threads(2):
            y = run(ALGORITHM, p, data, bias=data["bias"], activation=activation)
        assert_close(ALGORITHM, p, y, with_bias=True, activation=activation)


@pytest.mark.parametrize("kind", ["constant", "constant weights", "positive", "dynamic range", "cancelling"])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("text", LONG_SUMS)
def test_long_sums_keep_the_published_bound(text, direction, kind):
    for memory_format in MEMORY_FORMATS:
        p = problem(text, direction, "float32", memory_format)
        assert_close(ALGORITHM, p, run(ALGORITHM, p, operands(p, kind)), kind)


@pytest.mark.parametrize("threads", [1, 2, 48, 300])
@pytest.mark.parametrize("memory_format", MEMORY_FORMATS)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(
    "text",
    [
        "256x512x56x56,512x3x3,p1", "1x3x4000x4000,64x7x7,s2,p3", "1x4096x30x30,4096x7x7,p3", "64x4096x7x7,4096x1x1",
        "9x512x1x1,512x1x1",
    ],
)  # fmt: skip
def test_the_workspace_stays_within_its_limit(text, direction, memory_format, threads):
    p = problem(text, direction, "float64", memory_format)
    with num_threads(threads):
        assert ALGORITHM.supports(p) is None
        assert ALGORITHM.workspace(p) <= im2col.WORKSPACE_LIMIT
        assert 0 < ALGORITHM.cost(p) < 1e4


@pytest.mark.parametrize("direction", ["forward", "input_grad"])
def test_a_1x1_convolution_copies_nothing(direction):
    assert ALGORITHM.workspace(problem("8x256x14x14,1024x1x1", direction)) == 0


@pytest.mark.parametrize(
    ("text", "reason"), [("1x100000x20x20,2x20x20", "workspace limit"), ("1x1x50000x50000,1x1x1", "32-bit")]
)  # fmt: skip
def test_a_refusal_gives_its_reason(text, reason):
    assert reason in ALGORITHM.supports(problem(text))


def test_more_threads_are_predicted_faster():
    p = problem("1x256x56x56,256x3x3,p1")
    with num_threads(1):
        one = ALGORITHM.cost(p)
    with num_threads(2):
        assert ALGORITHM.cost(p) < one


def test_padding_meets_an_infinite_weight_as_the_zero_that_it_is():
    p = problem("1x2x4x4,3x3x3,p1")
    data = {name: np.array(a) for name, a in operands(p, "integers").items()}
    data["x"] = np.ones_like(data["x"])
    data["w"][:] = 1
    data["w"][1, 0, 0, 0] = np.inf
    y = run(ALGORITHM, p, data)
    assert np.isnan(y[0, 1, 0]).all()
    assert np.isnan(y[0, 1, :, 0]).all()
    assert np.isposinf(y[0, 1, 1:, 1:]).all()
    assert np.isfinite(y[0, [0, 2]]).all()


def test_blas_is_loaded_by_the_first_run_only():
    program = "import sys; from fastconv import algorithms; algorithms.get('im2col'); sys.exit('scipy.linalg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
