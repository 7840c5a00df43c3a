"""What is peculiar to the FFT algorithm; the contract it shares with all is in test_contract.py."""

import itertools

import numpy as np
import pytest

from fastconv import algorithms
from fastconv.algorithms import fft as module
from fastconv.kernels import cpu
from fastconv.threads import num_threads
from harness import assert_close, expected, operands, run
from problems import DIRECTIONS, DTYPES, MEMORY_FORMATS, problem

ALGORITHM = algorithms.get("fft")
FACTORS = dict(module._FACTORS)

# Tiles that end in every way, in both arrangements of the channels: dense, in groups, lane by lane.
TILED = (
    "2x17x31x40,18x3x4,p1",
    "1x20x45x23,20x5x7,p2x3,g20",
    "3x6x19x50,9x4x3,s2x3,p3.1x0.2,g3",
    "1x36x26x27,40x3x3,d3x2,p4,g2",
    "2x18x21x22,54x5x5,s3,p7.2x1.6,g18",
)
# Single tiles whose ends wrap around within the padding, and kernels nearly as long as the largest tile.
WRAPPED = (
    "1x3x64x64,2x31x31,p15",
    "1x4x40x9,4x21x5,p20.3x2,g4",
    "1x2x20x20,3x9x9,p30",
    "1x2x5x70,2x1x128,p0x100",
    "1x1x250x2,1x250x1,p3x0",
)


@pytest.fixture(params=cpu.available())
def isa(request):
    module._plan.cache_clear()
    with cpu.use(request.param):
        yield request.param
    module._plan.cache_clear()


@pytest.mark.parametrize("length", FACTORS)
def test_every_tile_length_transforms_rows_and_columns(isa, length, monkeypatch):
    monkeypatch.setattr(module, "_FACTORS", {length: FACTORS[length]})
    taps = min(3, length)
    for dtype, direction in itertools.product(DTYPES, DIRECTIONS):
        p = problem(f"1x3x{2 * length}x{length + 5},2x{taps}x{taps},p{taps // 2}", direction, dtype)
        module._plan.cache_clear()
        assert_close(ALGORITHM, p, run(ALGORITHM, p, operands(p)))


@pytest.mark.parametrize("text", TILED)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_results_do_not_depend_on_the_tiles(isa, text, direction, monkeypatch):
    for longest, dtype, memory_format in itertools.product((10, 16, 40), DTYPES, MEMORY_FORMATS):
        monkeypatch.setattr(module, "_FACTORS", {n: f for n, f in FACTORS.items() if longest / 2 < n <= longest})
        p = problem(text, direction, dtype, memory_format)
        if max(p.extent) > longest:
            continue
        module._plan.cache_clear()
        assert_close(ALGORITHM, p, run(ALGORITHM, p, operands(p)))


@pytest.mark.parametrize("text", WRAPPED)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_tiles_that_wrap_around_and_long_kernels(isa, text, direction):
    p = problem(text, direction, "float64")
    assert_close(ALGORITHM, p, run(ALGORITHM, p, operands(p)))


@pytest.mark.parametrize("text, direction", [
    ("1x2x6x7,3x3x3,p5", "forward"), ("1x17x5x5,17x2x2,p4,s3,g17", "forward"), ("1x17x9x9,17x1x1,s3,p2,g17", "input_grad"),
    ("1x2x9x8,3x2x1,s3", "input_grad"), ("1x2x2x9,3x4x2,s9x1,p6x1", "weight_grad"),
    ("1x17x1x3,17x5x1,s3,p2x0,g17", "weight_grad"),
])  # fmt: skip
def test_results_without_products_are_exact_zeros(isa, text, direction):
    p = problem(text, direction, "float32")
    _, scale = expected(p, "gaussian")
    assert (scale == 0).any()
    assert (run(ALGORITHM, p, operands(p))[scale == 0] == 0).all()


@pytest.mark.parametrize("kind", ["gaussian", "constant", "positive"])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(
    "text", ["1x512x9x9,16x5x5,p2", "1x16x40x40,16x15x15,p7", "1x19x44x40,19x31x31,p15,g19", "2x17x24x24,16x7x7,p3"]
)
def test_comparable_magnitudes_keep_the_bound_at_each_output(text, direction, kind):
    p = problem(text, direction, "float32")
    result = run(ALGORITHM, p, operands(p, kind))
    assert_close(ALGORITHM, p, result, kind, each_output=True)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("text", ["1x33x50x41,20x5x5,p2", "3x4x20x21,6x3x3,p1,g2", "2x33x30x31,33x7x7,p3,g33"])
def test_results_do_not_depend_on_the_number_of_threads(isa, text, direction):
    p = problem(text, direction, "float32", "nhwc")
    results = []
    for threads in (1, 2, 3, 7):
        with num_threads(threads):
            results.append(run(ALGORITHM, p, operands(p)))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_a_kernel_beyond_the_largest_tile_is_refused():
    assert "256" in ALGORITHM.supports(problem("1x1x300x300,1x257x1"))
    assert "256" in ALGORITHM.supports(problem("1x1x300x300,1x3x3,d1x128"))
    assert ALGORITHM.supports(problem("1x1x300x300,1x256x256")) is None


@pytest.mark.parametrize("text", ["1x64x224x224,64x3x3,p1", "1x64x224x224,64x31x31,p15,g64", "1x3x224x224,64x11x11,s4,p2"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_workspace_stays_moderate(text, direction):
    for dtype in DTYPES:
        with num_threads(2):
            assert ALGORITHM.workspace(problem(text, direction, dtype)) <= 64 << 20
