"""conv2d, its gradients and plan: what they accept, refuse, allocate and remember; on a NumPy algorithm."""

import copy
import pickle
import sys
import threading

import numpy as np
import pytest

import fastconv as fc
from fastconv import selection, workspace
from registered_toys import own_store, register_only  # noqa: F401 -- fixtures
from toys import Toy

SHAPE = "2x4x7x6,6x3x2,s2x1,p1.0x0.1,d1x2,g2"
PARAMETERS = {"stride": (2, 1), "padding": ((1, 0), (0, 1)), "dilation": (1, 2), "groups": 2}


@pytest.fixture(autouse=True)
def toy(register_only):  # noqa: F811
    return register_only(Toy("toy", workspace=100))[0]


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    p = fc.ConvProblem.parse(SHAPE)
    x, w, gy = (rng.integers(-4, 5, shape).astype(np.float32) for shape in (p.x_shape, p.w_shape, p.y_shape))
    return x, w, gy, np.arange(6, dtype=np.float32)


def nhwc(a):
    return np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def expected(x, w, gy, b):
    y = fc.conv2d(np.ascontiguousarray(x), w, b, **PARAMETERS)
    return y, fc.conv2d_input_grad(gy, w, x.shape, **PARAMETERS), fc.conv2d_weight_grad(gy, x, w.shape, **PARAMETERS)


def test_gradients_are_adjoint_to_the_convolution(arrays):
    x, w, gy, _ = arrays
    y, dx, dw = expected(x, w, gy, None)
    assert (y * gy).sum() == (dx * x).sum() == (dw * w).sum()


def test_bias_and_activation(arrays):
    x, w, _, b = arrays
    y = fc.conv2d(x, w, **PARAMETERS)
    np.testing.assert_array_equal(fc.conv2d(x, w, b, activation="relu", **PARAMETERS), np.maximum(y + b[:, None, None], 0))


# -- layouts ----------------------------------------------------------------------------------------------------------


def with_holes(a):
    wide = np.zeros((*a.shape[:3], a.shape[3] * 2), a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


def misaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)
    view = np.frombuffer(raw.data, a.dtype, a.size, 1).reshape(a.shape)
    raw[1:] = np.frombuffer(a.tobytes(), np.uint8)
    return view


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


LAYOUTS = {
    "channels-last": nhwc,
    "with holes": with_holes,
    "reversed": lambda a: a[:, ::-1, ::-1, ::-1].copy()[:, ::-1, ::-1, ::-1],
    "transposed": lambda a: np.ascontiguousarray(a.transpose(3, 2, 0, 1)).transpose(2, 3, 1, 0),
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "byte-swapped channels-last": lambda a: nhwc(a).astype(a.dtype.newbyteorder()),
    "read-only": read_only,
    "misaligned": misaligned,
    "subclass": lambda a: a.view(np.memmap),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_memory_layout_gives_the_same_values(layout, arrays):
    x, w, gy, b = arrays
    y, dx, dw = expected(x, w, gy, b)
    for _ in range(2):  # planned anew, then remembered
        np.testing.assert_array_equal(fc.conv2d(layout(x), layout(w), b, **PARAMETERS), y)
        np.testing.assert_array_equal(fc.conv2d_input_grad(layout(gy), layout(w), x.shape, **PARAMETERS), dx)
        np.testing.assert_array_equal(fc.conv2d_weight_grad(layout(gy), layout(x), w.shape, **PARAMETERS), dw)
        np.testing.assert_array_equal(fc.conv2d_weight_grad(layout(gy), x, w.shape, **PARAMETERS), dw)


def test_zero_strides_are_read_as_the_values_they_stand_for(arrays):
    _, w, _, _ = arrays
    x = np.broadcast_to(np.float32(2), (2, 4, 7, 6))
    np.testing.assert_array_equal(fc.conv2d(x, w, **PARAMETERS), fc.conv2d(x.copy(), w, **PARAMETERS))


def test_results_come_in_the_memory_format_of_the_main_operand(arrays):
    x, w, gy, _ = arrays
    is_nhwc = lambda a: a.transpose(0, 2, 3, 1).flags.c_contiguous  # noqa: E731
    assert is_nhwc(fc.conv2d(nhwc(x), w, **PARAMETERS))
    assert is_nhwc(fc.conv2d_input_grad(nhwc(gy), w, x.shape, **PARAMETERS))
    assert fc.conv2d(x, w, **PARAMETERS).flags.c_contiguous
    assert fc.conv2d_weight_grad(nhwc(gy), nhwc(x), w.shape, **PARAMETERS).flags.c_contiguous


def test_an_input_of_one_channel_has_the_memory_format_of_the_gradient(toy, monkeypatch):
    x, gy = np.arange(84, dtype=np.float32).reshape(2, 1, 7, 6), np.arange(400, dtype=np.float32).reshape(2, 10, 5, 4)
    formats = []
    monkeypatch.setattr(toy, "supports", lambda problem: formats.append(problem.memory_format))
    dw = fc.conv2d_weight_grad(gy, x, (10, 1, 3, 3))
    assert set(formats) == {"nchw"}
    for source in (x, nhwc(x)):
        for gradient in (nhwc(gy), gy):
            np.testing.assert_array_equal(fc.conv2d_weight_grad(gradient, source, (10, 1, 3, 3)), dw)
    assert set(formats) == {"nchw", "nhwc"}


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_empty_batches(dtype):
    x, w = np.empty((0, 3, 8, 8), dtype), np.ones((4, 3, 3, 3), dtype)
    y = fc.conv2d(x, w, np.ones(4, dtype))
    assert y.shape == (0, 4, 6, 6) and y.dtype == dtype
    assert fc.conv2d_input_grad(y, w, x.shape).shape == x.shape
    dw = fc.conv2d_weight_grad(y, x, w.shape)
    assert dw.shape == w.shape and not dw.any()
    assert fc.plan(fc.ConvProblem.from_arrays(x, w)).prepare(w)(x).shape == y.shape


# -- out --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [np.ascontiguousarray, nhwc, with_holes], ids=["nchw", "nhwc", "with holes"])
@pytest.mark.parametrize("source", [np.ascontiguousarray, nhwc], ids=["nchw", "nhwc"])
def test_out_of_any_layout_is_written_and_returned(layout, source, arrays):
    x, w, _, b = arrays
    y = fc.conv2d(x, w, b, **PARAMETERS)
    conv = fc.plan(fc.ConvProblem.from_arrays(source(x), w, **PARAMETERS)).prepare(w, b)
    for call in (lambda out: fc.conv2d(source(x), w, b, out=out, **PARAMETERS), lambda out: conv(source(x), out=out)):
        out = layout(np.full(y.shape, np.nan, np.float32))
        assert call(out) is out
        np.testing.assert_array_equal(out, y)


def overlapping(x, w):
    buffer = np.zeros(x.size + 100, np.float32)
    return buffer[: x.size].reshape(x.shape), buffer[8 : 8 + 3 * 4 * 5 * 5].reshape(3, 4, 5, 5)


def test_out_that_shares_memory_with_an_operand_is_refused():
    x, out = overlapping(np.zeros((3, 4, 7, 7), np.float32), None)
    w = np.zeros((4, 4, 3, 3), np.float32)
    with pytest.raises(fc.InvalidArgumentError, match="out: shares memory with x"):
        fc.conv2d(x, w, out=out)
    with pytest.raises(fc.InvalidArgumentError, match="out: shares memory with x"):
        fc.plan(fc.ConvProblem.from_arrays(x, w)).prepare(w)(x, out=out)
    w, out = overlapping(np.zeros((4, 4, 5, 5), np.float32), None)
    with pytest.raises(fc.InvalidArgumentError, match="out: shares memory with w"):
        fc.conv2d(np.ones((3, 4, 9, 9), np.float32), w, out=np.lib.stride_tricks.as_strided(out, (3, 4, 5, 5)))


def test_out_may_interleave_with_an_operand():
    buffer = np.zeros((2, 4, 6, 12), np.float32)
    x, out = buffer[..., :6], buffer[..., 6:]
    x[...] = 1
    assert fc.conv2d(x, np.ones((4, 4, 1, 1), np.float32), out=out) is out
    assert (out == 4).all() and (x == 1).all()


# -- refusals ---------------------------------------------------------------------------------------------------------

X, W, GY = np.zeros((2, 4, 7, 6), "f4"), np.zeros((6, 4, 3, 3), "f4"), np.zeros((2, 6, 5, 4), "f4")
VALUE, TYPE = fc.InvalidArgumentError, fc.InvalidTypeError

BAD_FORWARD = {
    "x a list": ({"x": [[1.0]]}, TYPE, "x: got list"),
    "x 3-D": ({"x": X[0]}, VALUE, "x: got 3 dimension"),
    "x int": ({"x": X.astype(int)}, TYPE, "x: dtype int64"),
    "x half": ({"x": X.astype("f2")}, TYPE, "x: dtype float16"),
    "x complex": ({"x": X.astype("c8")}, TYPE, "x: dtype complex64"),
    "x long double": ({"x": X.astype(np.longdouble)}, TYPE, "x: dtype"),
    "x masked": ({"x": np.ma.zeros(X.shape, "f4")}, TYPE, "x: got a masked array"),
    "x without channels": ({"x": X[:, :0]}, VALUE, "w: expects in_channels"),
    "x without height": ({"x": X[:, :, :0]}, VALUE, "height: got 0"),
    "w 5-D": ({"w": W[None]}, VALUE, "w: got 5 dimension"),
    "w of other dtype": ({"w": W.astype("f8")}, TYPE, "w: dtype float64 differs from x's"),
    "w of other channels": ({"w": W[:, :3]}, VALUE, "w: expects in_channels = 3"),
    "w without filters": ({"w": W[:0]}, VALUE, "out_channels: got 0"),
    "kernel too large": ({"w": np.zeros((6, 4, 9, 3), "f4")}, VALUE, "w: the kernel spans 9x3"),
    "b a list": ({"b": [0.0] * 6}, TYPE, "b: got list"),
    "b of other length": ({"b": np.zeros(5, "f4")}, VALUE, r"b: got shape \(5,\), expected \(6,\)"),
    "b 2-D": ({"b": np.zeros((6, 1), "f4")}, VALUE, "b: got shape"),
    "b of other dtype": ({"b": np.zeros(6)}, TYPE, "b: dtype float64 differs"),
    "stride 0": ({"stride": 0}, VALUE, "stride: got 0"),
    "stride a float": ({"stride": 1.0}, TYPE, "stride: got 1.0"),
    "stride a bool": ({"stride": True}, TYPE, "stride: got True"),
    "stride of 3": ({"stride": (1, 1, 1)}, VALUE, "stride: got"),
    "padding negative": ({"padding": -1}, VALUE, "padding: got -1"),
    "padding unknown": ({"padding": "full"}, VALUE, "padding: got 'full'"),
    "padding huge": ({"padding": 2**62}, VALUE, "too large"),
    "dilation 0": ({"dilation": (1, 0)}, VALUE, "dilation: got 0"),
    "groups 0": ({"groups": 0}, VALUE, "groups: got 0"),
    "groups not dividing": ({"w": W[:, :2], "groups": 3}, VALUE, "w: expects in_channels"),
    "activation unknown": ({"activation": "tanh"}, VALUE, "activation: got 'tanh'"),
    "algorithm unknown": (
        {"algorithm": "magic"},
        fc.UnknownAlgorithmError,
        "algorithm: 'magic' is not registered; there are toy",
    ),
    "algorithm no text": ({"algorithm": None}, TYPE, "algorithm: got None"),
    "out a list": ({"out": []}, TYPE, "out: got list"),
    "out of other shape": ({"out": GY[:1]}, VALUE, "out: got shape"),
    "out of other dtype": ({"out": GY.astype("f8")}, TYPE, "out: dtype float64"),
    "out byte-swapped": ({"out": GY.astype(">f4")}, TYPE, "out: dtype >f4"),
    "out read-only": ({"out": read_only(GY)}, VALUE, "out: the array is read-only"),
    "out zero-stride": (
        {"out": np.lib.stride_tricks.as_strided(GY.copy(), strides=(0, 0, 0, 0))},
        VALUE,
        "out: several elements",
    ),
}


@pytest.mark.parametrize(("arguments", "kind", "message"), BAD_FORWARD.values(), ids=BAD_FORWARD)
def test_bad_arguments_of_conv2d_raise_one_clear_error(toy, arguments, kind, message):
    fc.conv2d(X, W)
    runs = toy.runs
    for _ in range(2):
        with pytest.raises(kind, match=message) as caught:
            fc.conv2d(**{"x": X, "w": W} | arguments)
        assert isinstance(caught.value, fc.FastconvError)
        assert isinstance(caught.value, TypeError if kind is TYPE else ValueError)
    assert toy.runs == runs


BAD_GRADIENTS = {
    "gy of other shape": (
        fc.conv2d_input_grad,
        (GY[:, :, 1:], W, X.shape),
        VALUE,
        r"gy: got shape \(2, 6, 4, 4\), expected \(2, 6, 5, 4\)",
    ),
    "gy of other dtype": (
        fc.conv2d_input_grad,
        (GY.astype("f8"), W, X.shape),
        TYPE,
        "w: dtype float32 differs from gy's float64",
    ),
    "gy of other batch": (fc.conv2d_weight_grad, (GY[:1], X, W.shape), VALUE, "gy: got shape"),
    "gy a list": (fc.conv2d_weight_grad, ([1.0], X, W.shape), TYPE, "gy: got list"),
    "x of other dtype": (
        fc.conv2d_weight_grad,
        (GY, X.astype("f8"), W.shape),
        TYPE,
        "gy: dtype float32 differs from x's float64",
    ),
    "x_shape an int": (fc.conv2d_input_grad, (GY, W, 7), TYPE, "x_shape: got int"),
    "x_shape of 3": (fc.conv2d_input_grad, (GY, W, (2, 4, 7)), VALUE, "x_shape: got"),
    "x_shape of floats": (fc.conv2d_input_grad, (GY, W, (2, 4, 7.0, 6)), TYPE, "x_shape: got 7.0"),
    "w_shape of 3": (fc.conv2d_weight_grad, (GY, X, (6, 4, 3)), VALUE, "w_shape: got"),
    "w_shape of other channels": (fc.conv2d_weight_grad, (GY, X, (6, 3, 3, 3)), VALUE, "w: expects in_channels"),
}


@pytest.mark.parametrize(("function", "arguments", "kind", "message"), BAD_GRADIENTS.values(), ids=BAD_GRADIENTS)
def test_bad_arguments_of_gradients_raise_one_clear_error(toy, function, arguments, kind, message):
    with pytest.raises(kind, match=message):
        function(*arguments)
    assert not toy.runs


def test_parameters_that_compare_equal_are_still_told_apart():
    fc.conv2d(X, W, stride=(1, 1))
    for stride in ((1, True), (1.0, 1)):
        with pytest.raises(TYPE, match="stride"):
            fc.conv2d(X, W, stride=stride)
    assert fc.conv2d(X, W, stride=[1, 1]).shape == fc.conv2d(X, W, stride=np.int64(1)).shape


# -- plans ------------------------------------------------------------------------------------------------------------


def test_prepared_convolution_equals_conv2d(arrays, toy):
    x, w, gy, b = arrays
    y, dx, _ = expected(x, w, gy, b)
    problem = fc.ConvProblem.from_arrays(x, w, **PARAMETERS)
    conv = fc.plan(problem).prepare(w, b)
    packs = toy.packs
    for layout in LAYOUTS.values():
        np.testing.assert_array_equal(conv(layout(x)), y)
    backward = fc.plan(problem.replace(direction="input_grad")).prepare(w)
    np.testing.assert_array_equal(backward(gy), dx)
    assert toy.packs == packs + 1


def test_prepared_convolution_keeps_its_weights(arrays):
    x, w, gy, b = arrays
    y = expected(x, w, gy, b)[0]
    conv = fc.plan(fc.ConvProblem.from_arrays(x, w, **PARAMETERS)).prepare(w, b)
    w[...], b[...] = 0, 0
    for same in (conv, copy.deepcopy(conv), pickle.loads(pickle.dumps(conv))):
        np.testing.assert_array_equal(same(x), y)


BAD_PREPARED = {
    "x of other shape": (X[:1], None, VALUE, "x: got shape"),
    "x of other dtype": (X.astype("f8"), None, TYPE, "x: dtype float64 differs"),
    "x a list": ([], None, TYPE, "x: got list"),
    "out of other shape": (X, GY[:1], VALUE, "out: got shape"),
    "out read-only": (X, read_only(GY), VALUE, "out: the array is read-only"),
}


@pytest.mark.parametrize(("x", "out", "kind", "message"), BAD_PREPARED.values(), ids=BAD_PREPARED)
def test_bad_arguments_of_prepared_convolutions(x, out, kind, message):
    conv = fc.plan(fc.ConvProblem.from_arrays(X, W)).prepare(W)
    with pytest.raises(kind, match=message):
        conv(x, out=out)


def test_bad_preparations():
    problem = fc.ConvProblem.from_arrays(X, W)
    with pytest.raises(VALUE, match="w: got shape"):
        fc.plan(problem).prepare(W[:1])
    with pytest.raises(TYPE, match="w: dtype float64"):
        fc.plan(problem).prepare(W.astype("f8"))
    with pytest.raises(VALUE, match="b, activation"):
        fc.plan(problem.replace(direction="input_grad")).prepare(W, activation="relu")
    with pytest.raises(VALUE, match="weight gradient has no weights to prepare"):
        fc.plan(problem.replace(direction="weight_grad")).prepare(W)
    with pytest.raises(TYPE, match="problem: got tuple"):
        fc.plan((1, 2))
    with pytest.raises(VALUE, match="effort: got 'most'"):
        fc.plan(problem, effort="most")


def test_forced_algorithm_is_used_or_refused_with_the_reason(register_only):  # noqa: F811
    picky, other = register_only(Toy("picky", refuses="only on Sundays"), Toy("other", cost=9.0))
    with pytest.raises(fc.UnsupportedProblemError, match=r"'picky' cannot do .*: only on Sundays"):
        fc.conv2d(X, W, algorithm="picky")
    assert fc.plan(fc.ConvProblem.from_arrays(X, W), algorithm="other").algorithm is other
    with fc.config(workspace_limit=0, precision="highest", deny="other"):
        fc.conv2d(X, W, algorithm="other")
    assert other.runs and not picky.runs


def test_a_new_algorithm_is_considered_at_once(register_only):  # noqa: F811
    from fastconv.algorithms import register

    register_only(Toy("slow", cost=2.0))
    fc.conv2d(X, W)
    fast = Toy("fast", cost=1.0, error=1.0)
    register(fast)
    fc.conv2d(X, W)
    assert fast.runs == 1


def test_workspace_follows_the_number_of_threads(register_only):  # noqa: F811
    register_only(Toy("toy", workspace=lambda problem: 1000 * fc.get_num_threads()))
    conv = fc.plan(fc.ConvProblem.from_arrays(X, W)).prepare(W)
    for n in (1, 4, 2):
        with fc.num_threads(n):
            conv(X)


def test_calls_from_many_threads(arrays):
    x, w, gy, b = arrays
    results = expected(x, w, gy, b)
    selection.PLANS.drop()
    failures = []

    def work():
        try:
            for _ in range(50):
                for one, other in zip(expected(x, w, gy, b), results, strict=True):
                    np.testing.assert_array_equal(one, other)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        sys.setswitchinterval(before)
    assert not failures


def test_convolution_inside_an_algorithm_gets_memory_of_its_own(register_only):  # noqa: F811
    class Nested(Toy):
        def run(self, problem, x, packed, bias, activation, out, scratch):
            scratch[:] = 7
            fc.conv2d(X, W, algorithm="inner")
            assert (scratch == 7).all()
            super().run(problem, x, packed, bias, activation, out, scratch)

    register_only(Toy("inner", workspace=5000), Nested("outer", workspace=4000))
    fc.conv2d(X, W, algorithm="outer")


def test_workspaces_are_reused_and_released():
    first = workspace.take(1000)
    second = workspace.take(500)
    assert not np.shares_memory(first, second)
    workspace.give_back(second)
    workspace.give_back(first)
    assert workspace.take(800) is first
    workspace.give_back(first)
    fc.release_workspaces()
    assert workspace.take(800) is not first


def test_public_names_are_there_and_listed():
    for name in fc.__all__:
        if name not in ("reference",):
            assert getattr(fc, name) is not None
    assert set(fc.__all__) <= set(dir(fc))
    with pytest.raises(AttributeError, match="no attribute 'conv3d'"):
        fc.conv3d  # noqa: B018
