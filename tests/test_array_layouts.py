"""Whatever the strides, byte order, alignment and flags of the arrays: the same numbers."""

import numpy as np
import pytest

import fastconv as fc
from fastconv import reference
from harness import in_format, operands
from problems import problem

SHAPES = ["2x5x9x8,6x3x3,p1", "2x6x7x7,4x1x1,g2", "1x4x9x9,4x3x3,s2,p1,g4", "1x1x6x5,3x2x2"]


def non_contiguous(a):
    return np.repeat(np.repeat(a, 2, axis=1), 3, axis=3)[:, ::2, :, ::3]


def reversed_axes(a):
    return np.ascontiguousarray(a[::-1, ::-1, ::-1, ::-1])[::-1, ::-1, ::-1, ::-1]


def one_axis_reversed(a):
    return np.ascontiguousarray(a[:, :, :, ::-1])[:, :, :, ::-1]


def fortran_order(a):
    return np.asfortranarray(a)


def channels_last(a):
    return in_format(np.ascontiguousarray(a.transpose(0, 2, 3, 1)).reshape(-1), a.shape, "nhwc")


def channels_last_slice(a):
    return channels_last(np.pad(a, ((0, 0), (0, 3), (1, 1), (0, 2))))[:, : a.shape[1], 1:-1, : a.shape[3]]


def width_before_height(a):
    return np.ascontiguousarray(a.swapaxes(2, 3)).swapaxes(2, 3)


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def byte_swapped(a):
    return a.astype(a.dtype.newbyteorder())


def misaligned(a):
    raw = np.empty(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def subclass(a):
    return a.view(type("Subclass", (np.ndarray,), {}))


LAYOUTS = [
    non_contiguous, reversed_axes, one_axis_reversed, fortran_order, channels_last, channels_last_slice, width_before_height,
    read_only, byte_swapped, misaligned, subclass,
]  # fmt: skip


def parameters(p):
    return {"stride": p.stride, "padding": p.padding, "dilation": p.dilation, "groups": p.groups}


def results(p, x, w, gy, bias):
    return (
        fc.conv2d(x, w, bias, **parameters(p)),
        fc.conv2d_input_grad(gy, w, p.x_shape, **parameters(p)),
        fc.conv2d_weight_grad(gy, x, p.w_shape, **parameters(p)),
    )


def oracle(p, x, w, gy, bias):
    return reference.forward(p, x, w, bias), reference.input_grad(p, gy, w), reference.weight_grad(p, gy, x)


def assert_all_close(actual, expected):
    for a, b in zip(actual, expected, strict=True):
        assert a.dtype.isnative and a.shape == b.shape
        np.testing.assert_allclose(a, b.astype(np.float64), rtol=1e-4, atol=1e-4)


@pytest.fixture(autouse=True)
def no_timing():
    with fc.config(effort="heuristic", precision="highest"):
        yield


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("text", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_layout_of_the_operands_does_not_matter(layout, text, dtype):
    p = problem(text, dtype=dtype)
    data = operands(p)
    expected = oracle(p, **data)
    arrays = {name: layout(a) if a.ndim == 4 else a for name, a in data.items()}
    before = {name: a.tobytes() for name, a in arrays.items()}
    assert_all_close(results(p, **arrays), expected)
    # Each operand on its own beside ordinary ones.
    for name in ("x", "w", "gy"):
        assert_all_close(results(p, **{**data, name: arrays[name]}), expected)
    assert before == {name: a.tobytes() for name, a in arrays.items()}, "an operand was changed"


@pytest.mark.parametrize("text", SHAPES)
def test_a_broadcast_operand_is_read_as_what_it_shows(text):
    p = problem(text)
    data = operands(p)
    for axes in ((0,), (1,), (2, 3), (0, 1, 2, 3)):
        shown = {
            name: np.broadcast_to(a[tuple(slice(0, 1) if axis in axes else slice(None) for axis in range(4))], a.shape)
            for name, a in data.items()
            if a.ndim == 4
        }
        shown["bias"] = np.broadcast_to(data["bias"][:1], p.out_channels)
        assert_all_close(results(p, **shown), oracle(p, **shown))


@pytest.mark.parametrize(
    "layout", [lambda b: np.repeat(b, 2)[::2], lambda b: b[::-1].copy()[::-1], read_only, byte_swapped, misaligned]
)
def test_the_layout_of_the_bias_does_not_matter(layout):
    p = problem(SHAPES[0])
    data = operands(p)
    y = fc.conv2d(data["x"], data["w"], layout(data["bias"]), **parameters(p))
    np.testing.assert_allclose(y, reference.forward(p, data["x"], data["w"], data["bias"]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "layout", [non_contiguous, reversed_axes, fortran_order, channels_last, channels_last_slice, misaligned]
)
def test_out_of_any_layout_receives_the_result_and_nothing_around_it(layout):
    p = problem(SHAPES[0])
    data = operands(p)
    out = layout(np.zeros(p.y_shape, np.float32))
    whole = out
    while whole.base is not None:
        whole = whole.base
    whole[...] = 77
    out[...] = np.nan
    before = whole.tobytes()
    y = fc.conv2d(data["x"], data["w"], **parameters(p), out=out)
    assert y is out
    np.testing.assert_allclose(out, reference.forward(p, data["x"], data["w"]), rtol=1e-4, atol=1e-4)
    out[...] = np.nan
    assert whole.tobytes() == before


@pytest.mark.parametrize("name", ["x", "w", "gy"])
@pytest.mark.parametrize(
    "cast", [*(lambda a, dtype=dtype: a.astype(dtype) for dtype in ("f2", "i4", "c16", "?")), lambda a: a.tolist()]
)
def test_other_dtypes_and_types_are_refused_by_name(name, cast):
    p = problem(SHAPES[0])
    data = dict(operands(p))
    data[name] = cast(data[name])
    call = (lambda: fc.conv2d_input_grad(data["gy"], data["w"], p.x_shape, **parameters(p))) if name == "gy" else (
        lambda: fc.conv2d(data["x"], data["w"], **parameters(p))
    )  # fmt: skip
    with pytest.raises(fc.InvalidTypeError, match=rf"\b{name}\b") as caught:
        call()
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("text", ["0x3x8x8,16x3x3,p1", "0x16x5x5,16x1x1", "0x16x5x5,16x3x3,p1,g16", "0x2x9x9,3x5x5,s2,p2"])
@pytest.mark.parametrize("name", ["auto", *fc.algorithms.names()])
def test_empty_batches_give_empty_results_and_zero_weight_gradients(text, name):
    p = problem(text)
    data = operands(p)
    for direction in ("forward", "input_grad", "weight_grad"):
        q = p.replace(direction=direction)
        if name != "auto" and fc.algorithms.get(name).supports(q) is not None:
            continue
        options = {**parameters(p), "algorithm": name}
        if direction == "forward":
            assert fc.conv2d(data["x"], data["w"], data["bias"], **options).shape == p.y_shape
        elif direction == "input_grad":
            assert fc.conv2d_input_grad(data["gy"], data["w"], p.x_shape, **options).shape == p.x_shape
        else:
            dw = fc.conv2d_weight_grad(data["gy"], data["x"], p.w_shape, **options)
            np.testing.assert_array_equal(dw, np.zeros(p.w_shape))
