"""What is peculiar to the depthwise algorithm; the contract it shares with all is in test_contract.py."""

import itertools

import numpy as np
import pytest

from fastconv import algorithms
from fastconv.kernels import cpu
from fastconv.threads import num_threads
from harness import assert_close, assert_equal, operands, run
from problems import DIRECTIONS, DTYPES, MEMORY_FORMATS, problem

# Every specialised width of kernel with strides 1 and 2, the general loop, and output widths that end each tile of pixels.
SHAPES = [
    f"1x19x{2 * k}x{width},19x{k}x{kw},p{k // 2}x{kw // 2},s{stride},g19"
    for (k, kw), stride, width in itertools.product(
        [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (7, 7), (8, 9), (3, 10), (2, 11)], [1, 2, 3], [7, 12, 15, 26]
    )
]
# Phases of the input gradient: strides that share a factor with the dilation, strides that skip pixels, padding that crops.
PHASES = [
    "2x17x12x13,17x3x3,s2,d2,p1,g17", "1x17x14x15,17x3x4,s4,d6,p7,g17", "1x5x9x11,5x2x2,s5,g5", "1x16x9x8,16x2x3,p5x6,g16",
    "1x3x7x6,3x2x2,s3,p8,g3", "1x18x3x2,18x3x3,p0.3x4.0,s1x2,g18", "1x2x1x1,2x1x1,p3,s2,g2", "1x4x40x3,4x3x1,d9x1,p9x0,g4",
]  # fmt: skip
# Images of several strips of rows, whose ring of source rows goes round.
STRIPS = [
    "1x18x130x70,18x5x5,p2,g18", "1x18x190x67,18x3x3,s2,p1,g18", "2x17x150x65,17x3x4,s3x2,d2,p4,g17", "1x3x300x40,6x7x5,p9,g3",
]  # fmt: skip
# Planes wider than a vector: pixels in the lanes in NCHW, whole vectors and not, fewer rows than a tile has.
PLANES = [
    f"2x3x{height}x{width},{k}x3x3,p{p},g3"
    for (height, width), p, k in itertools.product(
        [(1, 20), (4, 33), (9, 64), (14, 47)], ("1", "2x1", "0.3x4.0", "5x17"), (3, 6)
    )
] + [
    f"2x3x{height}x{width},3x{k}x{k},p{p},s{stride},g3"
    for (height, width), k, p, stride in itertools.product([(6, 20), (31, 33)], (3, 5, 7), ("1", "3", "0.1", "4.2x2.4"), (1, 2))
]
MULTIPLIERS = ["2x5x9x10,15x3x3,p1,g5", "1x17x8x7,34x5x5,s2,p2,g17", "2x1x9x9,37x3x3,p1", "1x3x7x7,60x3x3,d2,p1,g3"]


@pytest.fixture(params=cpu.available())
def isa(request):
    with cpu.use(request.param):
        yield request.param


@pytest.fixture
def depthwise():
    return algorithms.get("depthwise")


@pytest.mark.parametrize("text", SHAPES + PHASES + STRIPS + PLANES + MULTIPLIERS)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_integers_are_convolved_exactly(isa, depthwise, text, direction):
    for dtype, memory_format in itertools.product(DTYPES, MEMORY_FORMATS):
        p = problem(text, direction, dtype, memory_format)
        with num_threads(2):
            assert_equal(depthwise, p, run(depthwise, p, operands(p, "integers")))


@pytest.mark.parametrize("memory_format", MEMORY_FORMATS)
def test_sums_over_many_strips_and_images_are_within_the_bound(isa, depthwise, memory_format):
    p = problem("3x20x150x40,20x3x3,p1,g20", "weight_grad", "float32", memory_format)
    assert depthwise.error(p) < p.batch * p.out_height * p.out_width / 4
    assert_close(depthwise, p, run(depthwise, p, operands(p)))


@pytest.mark.parametrize("memory_format", MEMORY_FORMATS)
@pytest.mark.parametrize("text", ("1x120x28x28,120x5x5,p2,g120", "1x256x28x28,256x3x3,s2,p1,g256"))
def test_no_weight_gradient_promises_less_than_direct(isa, depthwise, text, memory_format):
    p = problem(text, "weight_grad", "float32", memory_format)
    assert depthwise.error(p) <= algorithms.get("direct").error(p) + 1


def test_more_input_channels_per_filter_are_refused(depthwise):
    assert "2" in depthwise.supports(problem("1x8x6x6,8x3x3,g4"))
    assert depthwise.supports(problem("1x8x6x6,16x3x3,g8")) is None


@pytest.mark.parametrize("direction", DIRECTIONS[:2])
@pytest.mark.parametrize("memory_format", MEMORY_FORMATS)
def test_results_do_not_depend_on_the_number_of_threads(isa, depthwise, direction, memory_format):
    p = problem("1x33x90x61,33x3x3,p1,g33", direction, "float32", memory_format)
    results = []
    for threads in (1, 2, 3, 7):
        with num_threads(threads):
            results.append(run(depthwise, p, operands(p)))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


# Channels and results enough for stores to mind where cache lines begin; lines that lie differently in each pixel.
@pytest.mark.parametrize("channels", [96, 100, 112, 208])
@pytest.mark.parametrize("direction", DIRECTIONS[:2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_results_do_not_depend_on_where_they_are_stored(isa, depthwise, channels, direction, dtype):
    for stride in (1, 2):
        p = problem(f"2x{channels}x27x28,{channels}x3x3,s{stride},p1,g{channels}", direction, dtype, "nhwc")
        data = operands(p)
        expected = run(depthwise, p, data)
        for elements in (1, 4, 9):
            result = run(depthwise, p, data, behind=elements)
            np.testing.assert_array_equal(result, expected, err_msg=f"{p}, {elements} elements behind a line")


def test_weights_packed_with_one_instruction_set_serve_another(depthwise):
    p = problem("1x21x9x9,21x3x3,p1,g21")
    data = operands(p, "integers")
    with cpu.use("baseline"):
        packed = depthwise.pack(p, data["w"])
    with cpu.use(cpu.available()[-1]):
        np.testing.assert_array_equal(packed, depthwise.pack(p, data["w"]))


@pytest.mark.parametrize("memory_format", MEMORY_FORMATS)
def test_an_infinite_weight_reaches_only_the_input_gradients_it_meets(isa, depthwise, memory_format):
    p = problem("1x6x9x9,6x3x3,s2,p1,g6", "input_grad", "float32", memory_format)
    data = dict(operands(p), w=operands(p)["w"].copy())
    data["w"][3, 0, 0, 0] = np.inf
    dx = run(depthwise, p, data)
    met = np.zeros(p.x_shape, bool)
    met[0, 3, 1::2, 1::2] = True
    np.testing.assert_array_equal(np.isfinite(dx), ~met)
