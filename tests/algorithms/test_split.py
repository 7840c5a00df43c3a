"""Products of bfloat16 parts, in Winograd's tiles too, on data that is hard for them, beside direct convolution and float64."""

import ctypes
import itertools
import math
import mmap

import numpy as np
import pytest

import harness
from fastconv import algorithms, conv2d, memory, reference
from fastconv.algorithms.base import as_activation
from fastconv.arrays import conform
from fastconv.kernels import cpu
from fastconv.threads import num_threads
from harness import assert_close, run, tolerance
from problems import DIRECTIONS, MEMORY_FORMATS, problem

if "amx" not in cpu.available():
    pytest.skip("needs matrix units", allow_module_level=True)

DIRECT, BEST = algorithms.get("direct"), algorithms.get("split_bf16x6")
SPLIT = ("split_bf16x6", "split_bf16x4", "split_bf16x3", "bf16")
FUSED = "split_bf16x3_fused"
# Their constants are measured, on the data of test_contract.py; here they are held to what bfloat16 parts ask for.
IN_TILES = ("winograd4x1_bf16x3", "winograd4x1_bf16", "winograd2x2_bf16x3", "winograd2x2_bf16")
EVERY = (*SPLIT, FUSED, *IN_TILES)
# Planes, patches, 1x1, phases of the input gradient, groups; an edge of every block.
CASES = {
    "3x3": "1x64x9x10,35x3x3,p1",
    "first layer": "2x3x13x11,17x7x7,s2,p3",
    "first layer, patches that overlap": "2x3x9x48,35x3x3,p1",
    "images side by side": "27x50x3x4,35x3x3,p1",
    "few filters": "2x40x6x19,3x3x3,p1",
    "1x1": "2x100x5x5,33x1x1",
    "stride 2": "1x40x11x12,32x3x3,s2,p1",
    "groups": "1x66x7x8,34x3x3,p1,g2",
}
# 4608 products and more, of each direction; the second in passes.
LONG = (
    ("forward", "1x512x5x6,33x3x3,p1"),
    ("forward", "1x512x12x11,33x3x3,p1"),
    ("input_grad", "1x33x5x6,512x3x3,p1"),
    ("weight_grad", "2x17x49x50,33x3x3,p1"),
)
MOST, TINY, DENORMAL = np.finfo("f4").max, 2.0**-126, 2.0**-149
# The largest remainders: 1 + 2^-8 - 2^-17 is a tie, and just below it, the high part is 1, the low one 2^-8 - 2^-16.
BELOW_TIES = 1 + 2.0**-8 - 2.0**-17 - 2.0**-23


def signs(rng, shape):
    return rng.choice((-1.0, 1.0), shape)


def powers(rng, shape, least, most):
    return signs(rng, shape) * 2.0 ** rng.uniform(least, most, shape)


def dominated(rng, shape):
    a = rng.standard_normal(shape)
    a[..., shape[-2] // 2, shape[-1] // 2] = 1e6
    return a


def opposite(rng, shape):
    """Pairs of channels, almost each other's negatives."""
    a = rng.standard_normal(shape)
    a[:, 1::2] = -a[:, : shape[1] // 2 * 2 : 2] * (1 + 2.0**-20 * rng.standard_normal(shape)[:, 1::2])
    return a


def mixed(*values):
    return lambda rng, shape: signs(rng, shape) * rng.choice(values, shape)


def both(draw):
    return draw, draw


def normal(rng, shape):
    return rng.standard_normal(shape)


def uniform(rng, shape):
    return rng.uniform(0.5, 2, shape)


# How the first operand and the second are drawn.
SERVED = {
    "ordinary": both(normal),
    "one sign": both(uniform),
    "wide range": (lambda rng, shape: powers(rng, shape, -95, 95), lambda rng, shape: powers(rng, shape, -4, 4)),
    "wide range in both": both(lambda rng, shape: powers(rng, shape, -49, 49)),
    "one value dominates": (dominated, normal),
    "both dominated": both(dominated),
    "cancelling": (lambda rng, shape: np.ones(shape), opposite),
    "almost cancelling": both(opposite),
    "constants with the largest remainders": both(lambda rng, shape: np.full(shape, BELOW_TIES)),
    "ties": both(mixed(1 + 2.0**-8, 1 + 3 * 2.0**-8, 1 + 2.0**-8 - 2.0**-17, 1 + 2.0**-8 + 2.0**-17)),
    "just below powers of two": both(mixed(1 - 2.0**-24, 2 - 2.0**-23)),
    "largest that are served": (mixed(np.nextafter(np.float32(2.0**100), np.float32(0)), 1.0), mixed(1.0, 0.5)),
    "smallest that are served": (mixed(2.0**-100, 2.0**-100 * (1 + 2.0**-23)), mixed(1.0, 1 + 2.0**-23)),
    "zeros among them": (mixed(0.0, 1 + 2.0**-23, 1e-20), mixed(0.0, 3e4, 1 / 3)),
}
SERVED_LONG = ("ordinary", "one sign", "constants with the largest remainders", "just below powers of two")
# With values that have no bfloat16 parts, or no product of them.
HANDED_OVER = {
    "wider range": (lambda rng, shape: signs(rng, shape) * 10 ** rng.uniform(-30, 30, shape), uniform),
    "3e38": (mixed(3e38, 1.0), mixed(1e-4, 1e-5)),
    "the largest number": (mixed(MOST, 1.0), mixed(2.0**-12, 2.0**-14)),
    "sums that overflow": (lambda rng, shape: np.full(shape, MOST), mixed(1.0, 0.5)),
    "beyond the largest served": (mixed(2.0**100, 1.0), mixed(1.0, 0.5)),
    "products beyond the largest served": both(mixed(2.0**50, 1.0)),
    "below the smallest served": (mixed(np.nextafter(np.float32(2.0**-100), np.float32(0)), 1.0), uniform),
    "products below the smallest served": both(mixed(2.0**-51, 1.0)),
    "around the smallest normal number": (mixed(TINY, TINY - DENORMAL, TINY + DENORMAL), uniform),
    "denormal numbers": (mixed(DENORMAL, 2.0**-130), uniform),
    "infinity": (mixed(np.inf, 1.0), uniform),
    "infinity times zero": (mixed(np.inf, 1.0), mixed(0.0, 1.0)),
    "NaN": (mixed(np.nan, 1.0), uniform),
    "NaN in the other operand": (uniform, mixed(np.nan, 1.0)),
}


@pytest.fixture(autouse=True)
def matrix_units():
    with cpu.use("amx"), num_threads(1):
        yield


def operands(p, draws, seed=0):
    """x, w and gy; the first of a direction's two is drawn by the first of `draws`."""
    rng = np.random.default_rng(seed)
    first, second = draws
    other = first if p.direction == "input_grad" else second
    with np.errstate(over="ignore"):
        return {
            "x": first(rng, p.x_shape).astype("f4"),
            "w": second(rng, p.w_shape).astype("f4"),
            "gy": other(rng, p.y_shape).astype("f4"),
        }


def each_problem(text, directions=DIRECTIONS, name="direct"):
    """Those that the algorithm supports."""
    problems = [problem(text, direction, memory_format=f) for direction, f in itertools.product(directions, MEMORY_FORMATS)]
    return [p for p in problems if algorithms.get(name).supports(p) is None]


def names_and_cases():
    """Every algorithm with the cases that it supports."""
    return [
        pytest.param(name, text, id=f"{name}-{case.replace(' ', '_')}")
        for name in EVERY
        for case, text in CASES.items()
        if name in SPLIT or ("1x1" if name == FUSED else "3x3,p1") in text
    ]


def long_problems():
    return [p for direction, text in LONG for p in each_problem(text, (direction,))]


def largest_error(p, result, data):
    """As a fraction of |x| conv |w|."""
    scale = reference.scale(p, **data)
    difference = np.abs(result - reference.compute(p, **data))
    assert (difference[scale == 0] == 0).all()
    return np.max(difference / np.where(scale == 0, 1, scale))


def assert_within_bound(algorithm, p, data, where):
    difference = np.abs(run(algorithm, p, data) - reference.compute(p, **data))
    worst = np.max(difference / tolerance(algorithm, p, data))
    assert worst <= 1, f"{p} {p.direction} {p.memory_format}, {where}: {worst:.3g} of the bound"


@pytest.mark.parametrize("kind", SERVED)
@pytest.mark.parametrize("text", CASES.values(), ids=[name.replace(" ", "_") for name in CASES])
@pytest.mark.parametrize("name", SPLIT)
def test_hard_data_stays_within_the_bound(name, text, kind):
    for p in each_problem(text):
        assert_within_bound(algorithms.get(name), p, operands(p, SERVED[kind]), kind)


@pytest.mark.parametrize("kind", SERVED_LONG)
@pytest.mark.parametrize("name", SPLIT)
def test_long_sums_stay_within_the_bound(name, kind):
    for p in long_problems():
        assert_within_bound(algorithms.get(name), p, operands(p, SERVED[kind]), kind)


@pytest.mark.parametrize("kind", SERVED)
def test_six_products_are_no_less_accurate_than_direct_convolution(kind):
    problems = [p for text in CASES.values() for p in each_problem(text)]
    for sums in (problems, long_problems() if kind in SERVED_LONG else []):
        errors = {BEST: 0.0, DIRECT: 0.0}
        for p, algorithm in itertools.product(sums, errors):
            data = operands(p, SERVED[kind])
            errors[algorithm] = max(errors[algorithm], largest_error(p, run(algorithm, p, data), data))
        assert errors[BEST] <= errors[DIRECT]


@pytest.mark.parametrize(("name", "value"), [("split_bf16x3", BELOW_TIES), ("bf16", 1 + 2.0**-8 - 2.0**-23)])
def test_the_bound_is_not_loose(name, value):
    algorithm = algorithms.get(name)
    for p in each_problem(CASES["3x3"]):
        data = operands(p, both(lambda rng, shape: np.full(shape, value)))
        published = algorithm.error(p) * np.finfo("f4").eps
        assert published / 2 <= largest_error(p, run(algorithm, p, data), data) <= published


@pytest.mark.parametrize("name", ["split_bf16x4", "split_bf16x3", "winograd4x1_bf16x3", "winograd2x2_bf16x3"])
def test_independent_data_has_the_errors_that_precision_goes_by(name):
    algorithm = algorithms.get(name)
    for p in [p for text in (*CASES.values(), *(text for _, text in LONG)) for p in each_problem(text, name=name)]:
        data = operands(p, SERVED["ordinary"])
        assert largest_error(p, run(algorithm, p, data), data) <= algorithm.method_error(p) * np.finfo("f4").eps, str(p)


@pytest.mark.parametrize("kind", HANDED_OVER)
@pytest.mark.parametrize(("name", "text"), names_and_cases())
def test_values_that_parts_do_not_serve_are_left_to_direct_convolution(name, text, kind):
    for p in each_problem(text, name=name):
        data = operands(p, HANDED_OVER[kind])
        result, expected = (run(algorithm, p, data) for algorithm in (algorithms.get(name), DIRECT))
        np.testing.assert_array_equal(result, expected, err_msg=f"{p} {p.direction} {p.memory_format}")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e-40])
@pytest.mark.parametrize("name", EVERY)
def test_a_single_value_anywhere_is_noticed(name, value):
    rng = np.random.default_rng(0)
    for text in CASES.values():
        for p in each_problem(text, name=name):
            for operand in {"forward": ("x", "w"), "input_grad": ("gy", "w"), "weight_grad": ("x", "gy")}[p.direction]:
                data = operands(p, SERVED["ordinary"])
                a = data[operand].reshape(-1)
                for at in (0, a.size - 1, rng.integers(a.size)):
                    before, a[at] = a[at], value
                    result, expected = (run(algorithm, p, data) for algorithm in (algorithms.get(name), DIRECT))
                    if np.isfinite(value) or not np.isfinite(reference.compute(p, **data)).all():
                        where = f"{p} {p.direction} {p.memory_format}, {operand} {at}"
                        np.testing.assert_array_equal(result, expected, err_msg=where)
                    a[at] = before


@pytest.mark.parametrize("name", SPLIT + IN_TILES)
def test_one_image_with_nan_leaves_the_others_finite(name):
    for p in each_problem("3x20x9x8,33x3x3,p1", ("forward", "input_grad")):
        data = operands(p, SERVED["ordinary"])
        clean = run(algorithms.get(name), p, data)
        data["x"][1] = data["gy"][1] = np.nan
        result = run(algorithms.get(name), p, data)
        np.testing.assert_array_equal(result, run(DIRECT, p, data))
        assert np.isnan(result[1]).all()
        allowed = tolerance(algorithms.get(name), p, operands(p, SERVED["ordinary"]))
        assert (np.abs(result.astype("f8") - clean) <= 2 * allowed)[[0, 2]].all()


@pytest.mark.parametrize("zero", [0.0, -0.0])
@pytest.mark.parametrize("other", ["ordinary", "3e38"])
@pytest.mark.parametrize("name", EVERY)
def test_zeros_times_anything_finite_are_zero(name, other, zero):
    def zeros(rng, shape):
        return np.full(shape, zero)

    draw = {**SERVED, **HANDED_OVER}[other][0]
    for text in CASES.values():
        for p, draws in itertools.product(each_problem(text, name=name), ((zeros, draw), (draw, zeros), (zeros, zeros))):
            np.testing.assert_array_equal(run(algorithms.get(name), p, operands(p, draws)), 0)


@pytest.mark.parametrize("name", EVERY)
def test_results_repeat_bitwise_for_a_number_of_threads(name):
    algorithm = algorithms.get(name)
    for text, threads in itertools.product((*CASES.values(), "5x48x20x21,70x3x3,p1"), (1, 2, 3)):
        for p in each_problem(text, name=name):
            data = operands(p, SERVED["ordinary"])
            with num_threads(threads):
                first = run(algorithm, p, data)
                again = [run(algorithm, p, data, poison=7, scratch=fill) for fill in (0, 0xFF)]
            assert all(first.tobytes() == other.tobytes() for other in again), f"{p} {p.direction}, {threads} threads"


# Blocks that are not whole, of pixels, channels, filters; rows of one pixel; rows that blocks end in; narrow groups; strides;
# more filters than are stored by whole pixels; weights of the largest size.
POINTS = (
    "1x32x8x8,32x1x1", "2x40x13x11,70x1x1", "3x33x9x7,257x1x1", "1x100x1x1,33x1x1", "4x16x1x9,5x1x1", "1x64x33x1,130x1x1",
    "2x128x9x7,96x1x1,g2", "1x24x10x9,48x1x1,g6", "2x48x12x11,64x1x1,s2", "1x70x13x16,40x1x1,s3x2", "1x512x6x7,512x1x1",
)  # fmt: skip


# Fewer strips than threads: in lanes, planes, phases with strips in common and without, images side by side, of groups.
# Rows that are shared.
SMALL = [
    "1x200x7x5,130x1x1",
    "3x200x5x5,130x1x1",
    "1x130x7x5,160x3x3,p1",
    "1x130x6x7,160x3x3,s2,p1",
    "1x100x7x5,130x4x4,s3,p1",
    "27x130x3x4,160x3x3,p1",
    "27x130x4x4,160x3x3,s2,p1",
    "1x260x7x5,260x3x3,p1,g2",
    "3x140x5x9,280x3x3,p1",
    "1x40x31x33,70x3x3,p1",
]


def assert_same_on_threads(name, p):
    data = harness.operands(p)
    alone = run(algorithms.get(name), p, data)
    assert_close(algorithms.get(name), p, alone)
    for threads in (2, 3, 4):
        with num_threads(threads):
            np.testing.assert_array_equal(run(algorithms.get(name), p, data), alone)


@pytest.mark.parametrize("text", SMALL)
def test_strips_are_shared_among_threads_without_changing_a_bit(text):
    for name in (*SPLIT, "winograd4x1_bf16x3", "winograd4x1_bf16"):
        for p in each_problem(text, ("forward", "input_grad"), name):
            assert_same_on_threads(name, p)


def assert_close_on_threads(text, direction):
    for name in SPLIT:
        for p, threads in itertools.product(each_problem(text, (direction,), name), (1, 2, 3)):
            with num_threads(threads):
                assert_close(algorithms.get(name), p, run(algorithms.get(name), p, harness.operands(p)))


# So many weights that a thread has all sums of some, and stores them with the last strip: one strip and several, rows and
# images, images side by side, strides, groups, more kernel positions and one; blocks that are not whole.
LARGE = [
    "1x130x7x5,170x3x3,p1",
    "1x130x44x41,170x3x3,p1",
    "9x130x13x11,150x3x3,p1",
    "32x130x4x4,170x3x3,p1",
    "91x130x4x4,170x3x3,p1",
    "1x130x15x13,170x3x3,s2,p1",
    "32x130x8x8,170x3x3,s2,p1",
    "1x260x9x9,340x3x3,p1,g2",
    "1x70x9x8,150x5x5,p2",
    "1x370x9x8,390x1x1",
]


@pytest.mark.parametrize("text", LARGE)
def test_sums_of_many_weights_are_stored_with_the_last_strip(text):
    assert_close_on_threads(text, "weight_grad")


# 1x1 kernels with strides leave zeros between the results of an input gradient: odd and even sizes, more columns than a vector,
# rows of one pixel, three rows to a step, other steps, groups, padding, results of more than the second-level cache.
STEPS = [
    "2x64x32x32,128x1x1,s2",
    "1x40x33x35,48x1x1,s2",
    "3x64x65x1,96x1x1,s2",
    "2x33x20x33,64x1x1,s3x2",
    "1x128x15x31,64x1x1,s1x2",
    "1x64x8x9,64x1x1,s2x3",
    "2x64x20x20,64x1x1,s2,g2",
    "1x64x18x18,64x1x1,s2,p1",
    "1x64x18x18,64x2x2,s2",
    "4x32x112x111,32x1x1,s2",
]


@pytest.mark.parametrize("text", STEPS)
def test_zeros_between_the_results(text):
    assert_close_on_threads(text, "input_grad")


@pytest.mark.parametrize("activation", [None, "relu", "silu"])
@pytest.mark.parametrize("text", POINTS)
def test_splitting_while_products_are_computed_changes_no_bit(text, activation):
    for p, threads in itertools.product(each_problem(text, ("forward", "input_grad"), FUSED), (1, 2, 3)):
        data = operands(p, SERVED["ordinary"])
        epilogue = {}
        if p.direction == "forward":
            epilogue = {"bias": np.arange(p.out_channels, dtype="f4"), "activation": activation}
        with num_threads(threads):
            results = [run(algorithms.get(name), p, data, **epilogue) for name in ("split_bf16x3", FUSED)]
        np.testing.assert_array_equal(*results, err_msg=f"{p} {p.direction}, {threads} threads")


# More filters than are brought together for the pixels of a block.
@pytest.mark.parametrize("text", ["1x40x9x7,130x1x1", "2x3x9x20,257x3x3,p1", "1x36x6x16,300x3x3,p1"])
@pytest.mark.parametrize("activation", ["relu", "relu6", "silu"])
def test_activations_of_many_filters(text, activation):
    for name in (*SPLIT, FUSED):
        for p in each_problem(text, ("forward",), name):
            data = harness.operands(p)
            for threads in (1, 2):
                with num_threads(threads):
                    result = run(algorithms.get(name), p, data, bias=data["bias"], activation=activation)
                assert_close(algorithms.get(name), p, result, with_bias=True, activation=activation)


# Results of several times the second-level cache, for each thread; blocks that are not whole; strips whose filters are shared.
@pytest.mark.parametrize(
    ("text", "threads"),
    [("1x3x260x256,32x3x3,p1", 1), ("1x20x185x183,64x1x1", 1), ("2x8x130x129,128x1x1", 2), ("1x8x129x512,64x1x1", 2)],
)
@pytest.mark.parametrize("activation", [None, "relu", "silu"])
def test_large_results(text, threads, activation):
    for name in (*SPLIT, FUSED):
        for p in each_problem(text, ("forward",), name):
            data = harness.operands(p)
            with num_threads(threads):
                result = run(algorithms.get(name), p, data, bias=data["bias"], activation=activation)
            assert_close(algorithms.get(name), p, result, with_bias=True, activation=activation)


# Rows that begin where cache lines do, all of them or some.
@pytest.mark.parametrize("text", ["2x3x192x192,32x3x3,p1", "1x8x177x192,64x1x1", "1x9x232x300,32x3x3,p1"])
@pytest.mark.parametrize("activation", [None, "relu", "silu"])
def test_large_results_in_cache_lines(text, activation):
    for name in SPLIT:
        for p in each_problem(text, ("forward",), name):
            data = harness.operands(p)
            out = memory.aligned_empty(math.prod(p.y_shape), "f4")
            out.fill(np.nan)
            n, k, h, w = p.y_shape
            out = out.reshape(n, h, w, k).transpose(0, 3, 1, 2) if p.memory_format == "nhwc" else out.reshape(p.y_shape)
            x = conform(data["x"], "f4", p.memory_format)
            with num_threads(1):
                conv2d(x, data["w"], data["bias"], padding=p.padding, activation=activation, algorithm=name, out=out)
            assert_close(algorithms.get(name), p, out, with_bias=True, activation=activation)


# The same with zeros between the results; the last row has none behind it, or one, or two of three.
@pytest.mark.parametrize("text", ["3x48x81x96,64x1x1,s2", "2x40x96x128,33x1x1,s2", "2x64x71x96,33x1x1,s3x2"])
def test_large_results_with_zeros_in_cache_lines(text):
    for name, threads in itertools.product(SPLIT, (1, 2)):
        algorithm, p = algorithms.get(name), problem(text, "input_grad")
        data = harness.operands(p)
        out = memory.aligned_empty(math.prod(p.x_shape), "f4").reshape(p.x_shape)
        out.fill(np.nan)
        with num_threads(threads):
            scratch = memory.aligned_empty(algorithm.workspace(p), "u1")
            algorithm.run(p, data["gy"], algorithm.pack(p, data["w"]), None, as_activation(None), out, scratch)
        assert_close(algorithm, p, out)


# A panel of weights that is multiplied in passes, some channels in each: of two parts and more, of one part; rows that are not
# whole tiles, filters that are not whole panels, strides, groups, three passes; of the input gradient, with strips in common.
@pytest.mark.parametrize(
    "text",
    [
        "1x520x11x13,40x3x3,p1",
        "2x600x19x17,33x3x3,s2,p1",
        "1x1030x12x12,40x3x3,p1",
        "2x1040x9x8,80x3x3,p1,g2",
        "1x330x22x18,64x4x4,p1",
        "1x40x13x12,520x3x3,p1",
        "1x40x26x26,736x3x3,s2,p1",
    ],
)
def test_channels_in_passes(text):
    for name in SPLIT:
        for p in each_problem(text, ("forward", "input_grad"), name):
            assert_same_on_threads(name, p)
        p = problem(text, memory_format="nhwc")
        for activation in ("relu", "silu"):
            data = harness.operands(p)
            result = run(algorithms.get(name), p, data, bias=data["bias"], activation=activation)
            assert_close(algorithms.get(name), p, result, with_bias=True, activation=activation)


# Packed weights of some phases are above the size from which on strips are long, those of others below.
@pytest.mark.parametrize("text", ["16x224x4x4,1824x3x3,s2,p1", "10x224x4x4,1952x3x3,s2,p1"])
def test_phases_with_strips_in_common(text):
    for name in SPLIT:
        for p in each_problem(text, ("input_grad",), name):
            assert_close(algorithms.get(name), p, run(algorithms.get(name), p, harness.operands(p)))


@pytest.mark.parametrize(
    ("text", "direction", "memory_format"),
    [
        ("1x64x9x9,64x1x1", "forward", "nchw"),
        ("1x64x9x9,64x1x1", "weight_grad", "nhwc"),
        ("1x64x9x9,64x3x3,p1", "forward", "nhwc"),
        ("1x64x9x9,64x1x1,p1", "forward", "nhwc"),
        ("1x64x9x9,64x1x1,p0x1", "input_grad", "nhwc"),
        ("1x64x9x9,64x1x1,s2", "input_grad", "nhwc"),
        ("1x544x9x9,512x1x1", "forward", "nhwc"),
    ],
)
def test_splitting_while_products_are_computed_is_refused(text, direction, memory_format):
    assert "splits its source while" in algorithms.get(FUSED).supports(problem(text, direction, memory_format=memory_format))


def state_in_use():
    """XINUSE: which parts of this thread's register state are not in their initial one."""
    code = bytes.fromhex("b901000000 0f01d0 48c1e220 4809d0 c3")  # mov ecx, 1; xgetbv; shl rdx, 32; or rax, rdx; ret
    with mmap.mmap(-1, len(code), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as memory:
        memory.write(code)
        start = ctypes.c_char.from_buffer(memory)
        state = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(start))()
        del start
    return state


@pytest.mark.parametrize("name", EVERY)
def test_tiles_are_given_back(name):
    tiles = 1 << 17 | 1 << 18  # their configuration and their data
    for p in each_problem(CASES["1x1" if name == FUSED else "3x3"], name=name):
        for kind in ("ordinary", "NaN"):
            run(algorithms.get(name), p, operands(p, {**SERVED, **HANDED_OVER}[kind]))
            assert state_in_use() & tiles == 0
