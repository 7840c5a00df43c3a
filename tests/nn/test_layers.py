"""What holds for every layer of the table in `cases.py`."""

import copy
import pickle

import numpy as np
import pytest

import fastconv as fc
from fastconv import nn
from fastconv.nn import serialization
from fastconv.problem import memory_format_of
from nn.cases import CASES, FORMATS, exported_layers, in_format

EPS = 1e-5
every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_format = pytest.mark.parametrize("memory_format", FORMATS)
MODES = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])


class Run:
    """Passes of a layer that draw the same random numbers each time and leave its running statistics as they were."""

    def __init__(self, layer, xs):
        if len(xs) == 1:
            layer.build(xs[0].shape)
        self.layer, self.xs = layer, xs
        self.random, self.buffers = layer.random_states(), {name: b.copy() for name, b in layer.buffers().items()}

    def forward(self):
        self.layer.load_random_states(self.random)
        for name, buffer in self.layer.buffers().items():
            buffer[...] = self.buffers[name]
        return self.layer.forward(*self.xs)

    def gradients(self, gy):
        """Copies of the gradients: of the inputs, then of the parameters."""
        self.forward()
        gx = self.layer.backward(gy)
        gx = gx if isinstance(gx, tuple) else (gx,)
        return [g.copy(order="K") for g in gx] + [p.grad.copy() for p in self.layer.parameters()]


def away_from_start(layer, seed=1):
    """Parameters and running statistics that are not ones and zeros."""
    rng = np.random.default_rng(seed)
    for parameter in layer.parameters():
        parameter.data = parameter.array + 0.3 * rng.standard_normal(parameter.shape).astype(parameter.dtype)
    for buffer in layer.buffers().values():
        buffer += rng.uniform(0.1, 0.5, buffer.shape).astype(buffer.dtype)


def run_of(case, memory_format="nchw", training=True, dtype=np.float64):
    xs = case.arrays(dtype, memory_format)
    layer = case.make(dtype).train(training)
    run = Run(layer, xs)
    away_from_start(layer)
    run.buffers = {name: b.copy() for name, b in layer.buffers().items()}
    return run


def projection(y, seed=2):
    """A gradient of the result of y's memory format."""
    gy = np.random.default_rng(seed).standard_normal(y.shape).astype(y.dtype)
    return in_format(gy, "channels_last" if y.ndim == 4 and memory_format_of(y) == "nhwc" else "nchw")


def numerical(function, array):
    """Central differences of a scalar function in every element of an array that it reads."""
    gradient = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + EPS
        above = function()
        array[index] = value - EPS
        gradient[index] = (above - function()) / (2 * EPS)
        array[index] = value
    return gradient


def test_every_exported_layer_is_in_the_table():
    assert exported_layers() == {case.kind for case in CASES}


def test_names_of_cases_are_unique():
    assert len({case.name for case in CASES}) == len(CASES)


@MODES
@every_format
@every_case
def test_gradients_are_those_of_central_differences(case, memory_format, training):
    run = run_of(case, memory_format, training)
    y = run.forward()
    assert y.size
    gy = projection(y)
    gradients = run.gradients(gy)
    arrays = [*run.xs, *(p.array for p in run.layer.parameters())]
    assert len(gradients) == len(arrays)
    for gradient, array in zip(gradients, arrays, strict=True):
        expected = numerical(lambda: float((run.forward() * gy).sum()), array)
        assert gradient.shape == array.shape and gradient.dtype == np.float64
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-7 * max(1, np.abs(expected).max()))


@every_case
def test_results_and_gradients_keep_the_memory_format(case):
    for memory_format in FORMATS:
        run = run_of(case, memory_format)
        # Networks convert their input.
        memory_format = getattr(run.layer, "memory_format", memory_format)
        x, y = run.xs[0], run.forward()
        gradients = run.gradients(projection(y))[: len(run.xs)]
        for result in (y, run.layer.infer(*run.xs)):
            if x.ndim == result.ndim == 4:
                assert has_format(result, memory_format)
        for array, gradient in zip(run.xs, gradients, strict=True):
            assert array.ndim != 4 or has_format(gradient, memory_format)


def has_format(a, memory_format):
    pixels = a.transpose(0, 2, 3, 1)
    return pixels.flags.c_contiguous if memory_format == "channels_last" else a.flags.c_contiguous


@MODES
@every_case
def test_both_memory_formats_agree(case, training):
    if training and case.make().random_states():
        pytest.skip("draws in the order of memory")
    nchw, channels_last = (run_of(case, memory_format, training) for memory_format in FORMATS)
    y, other = nchw.forward(), channels_last.forward()
    np.testing.assert_allclose(other, y, rtol=0, atol=1e-12 * max(1, np.abs(y).max()))
    for g, h in zip(nchw.gradients(projection(y)), channels_last.gradients(projection(y)), strict=True):
        np.testing.assert_allclose(h, g, rtol=0, atol=1e-11 * max(1, np.abs(g).max()))


@every_format
@every_case
@fc.config(precision="highest")
def test_float32_is_close_to_float64(case, memory_format):
    wide, narrow = run_of(case, memory_format), run_of(case, memory_format, dtype=np.float32)
    for mine, exact in zip(narrow.layer.parameters(), wide.layer.parameters(), strict=True):
        mine.data = exact.array.astype(np.float32)
    for name, buffer in narrow.buffers.items():
        buffer[...] = wide.buffers[name]
    y, exact = narrow.forward(), wide.forward()
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, exact, rtol=0, atol=3e-6 * max(1, np.abs(exact).max()))
    gradients = narrow.gradients(projection(exact).astype(np.float32))
    for g, h in zip(gradients, wide.gradients(projection(exact)), strict=True):
        assert g.dtype == np.float32
        np.testing.assert_allclose(g, h, rtol=0, atol=2e-5 * max(1, np.abs(h).max()))


@every_case
def test_output_shape_is_that_of_the_result(case):
    layer, xs = case.make(), case.arrays()
    predicted = layer.output_shape(*case.inputs)
    assert predicted == layer.forward(*xs).shape == layer.infer(*xs).shape == layer.output_shape(*case.inputs)
    assert all(type(size) is int for size in predicted)
    unknown = layer.output_shape(*((None, *shape[1:]) for shape in case.inputs))
    assert unknown == (None, *predicted[1:])


@every_case
def test_multiply_adds_are_known_before_and_after_building(case):
    if len(case.inputs) > 1:
        pytest.skip("several inputs")
    layer = case.make()
    before = layer.multiply_adds(case.inputs[0])
    layer.build(case.inputs[0])
    assert layer.multiply_adds(case.inputs[0]) == before >= 0
    one = (None, *case.inputs[0][1:])
    assert layer.multiply_adds(one) * case.inputs[0][0] == before


@every_format
@every_case
def test_infer_is_forward_in_evaluation_and_keeps_nothing(case, memory_format):
    run = run_of(case, memory_format, training=False)
    y = run.forward()
    assert run.layer._saved is not None
    run.layer.train()
    inferred = run.layer.infer(*run.xs)
    np.testing.assert_allclose(inferred, y, rtol=0, atol=1e-12 * max(1, np.abs(y).max()))
    assert run.layer.training
    for _, layer in run.layer.layers_inside():
        assert layer._saved is None and layer.training
    for name, buffer in run.layer.buffers().items():
        assert np.array_equal(buffer, run.buffers[name])


@every_case
def test_left_out_arguments_are_inferred(case):
    lazy, xs = case.make(), case.arrays()
    given = case.make(**case.inferred)
    if case.inferred:
        with pytest.raises(fc.NotReadyError, match="no parameters yet"):
            lazy.parameters()
        assert given.parameters()
    lazy_y, y = Run(lazy, xs).forward(), Run(given, xs).forward()
    assert np.array_equal(lazy_y, y)
    for p, q in zip(lazy.parameters(), given.parameters(), strict=True):
        assert p.name == q.name and np.array_equal(p.array, q.array)
    for name, value in case.inferred.items():
        assert getattr(lazy, name) == value


@every_case
def test_saving_and_loading_gives_the_same_layer(case, tmp_path):
    run = run_of(case)
    serialization.save(run.layer, tmp_path / "layer.npz")
    loaded = serialization.load(tmp_path / "layer.npz")
    assert type(loaded) is case.kind and repr(loaded) == repr(run.layer)
    assert loaded.dtype == run.layer.dtype
    state, other = run.layer.state_dict(), loaded.state_dict()
    assert list(state) == list(other)
    assert all(np.array_equal(state[name], other[name]) for name in state)
    assert np.array_equal(loaded.infer(*run.xs), run.layer.infer(*run.xs))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))], ids=["copy", "pickle"])
@every_case
def test_copies_are_independent_and_hold_no_passes(case, duplicate):
    run = run_of(case)
    y = run.forward()
    twin = duplicate(run.layer)
    assert all(layer._saved is None for _, layer in twin.layers_inside())
    run.gradients(projection(y))  # the original still has its own
    other = Run(twin, run.xs)
    other.random, other.buffers = run.random, run.buffers
    assert np.array_equal(other.forward(), y)
    for parameter in twin.parameters():
        parameter.data += 1
    assert np.array_equal(run.forward(), y)


@every_case
def test_backward_can_be_repeated_on_a_leaf_layer(case):
    run = run_of(case)
    if run.layer.sublayers() or isinstance(run.layer, nn.Sequential):
        pytest.skip("containers let go of what their layers kept")
    gy = projection(run.forward())
    first, again = (copied(run.layer.backward(gy), run.layer) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def copied(gx, layer):
    return [g.copy() for g in (gx if isinstance(gx, tuple) else (gx,))] + [p.grad.copy() for p in layer.parameters()]


@every_case
def test_backward_changes_neither_input_nor_gradient(case):
    run = run_of(case)
    xs, y = [x.copy() for x in run.xs], run.forward().copy()
    gy = projection(y)
    before = gy.copy()
    run.gradients(gy)
    assert np.array_equal(gy, before)
    assert all(np.array_equal(x, old) for x, old in zip(run.xs, xs, strict=True))


@every_case
def test_backward_without_forward_is_one_clear_error(case):
    layer, xs = case.make(name="here"), case.arrays()
    gy = layer.forward(*xs)
    layer.release()
    with pytest.raises(fc.NotReadyError, match=r"^here: backward without a forward"):
        layer.backward(gy)
    layer.infer(*xs)
    with pytest.raises(fc.NotReadyError, match=r"^here: backward without a forward"):
        layer.backward(gy)


@every_format
@every_case
def test_empty_batches_work(case, memory_format):
    layer, xs = case.make().eval(), case.arrays(memory_format=memory_format)
    layer.forward(*xs)
    empty = [in_format(x[:0].copy(), memory_format) for x in xs]
    y = layer.forward(*empty)
    assert y.shape == layer.output_shape(*(x.shape for x in empty))
    gradients = layer.backward(y.copy())
    assert layer.infer(*empty).shape == y.shape
    for gradient, x in zip(gradients if isinstance(gradients, tuple) else (gradients,), empty, strict=True):
        assert gradient.shape == x.shape
    for parameter in layer.parameters():
        assert not parameter.grad.any() and parameter.grad.shape == parameter.shape


@every_case
def test_inputs_of_wrong_shapes_are_one_clear_error(case):
    layer = case.make(name="here")
    layer.forward(*case.arrays())
    for shape in case.refused:
        for use in (layer.forward, layer.infer):
            with pytest.raises(fc.InvalidArgumentError) as caught:
                use(np.zeros(shape))
            assert names_the_layer(caught.value, "here"), str(caught.value)
        with pytest.raises(fc.InvalidArgumentError) as caught:
            layer.output_shape(shape)
        assert names_the_layer(caught.value, "here"), str(caught.value)


def names_the_layer(error, path):
    return any(path in text for text in (str(error), *getattr(error, "__notes__", ())))


@every_case
def test_parameters_are_in_layer_order_and_carry_their_path(case):
    layer = case.make(name="here")
    layer.forward(*case.arrays())
    names = [p.name for p in layer.parameters()]
    assert len(set(names)) == len(names)
    order = [f"{path}.{name}" for path, inner in layer.layers_inside() for name in inner._parameters]
    assert names == order and all(name.startswith("here.") for name in names)
    for _, inner in layer.layers_inside():
        assert list(inner._parameters) in ([], ["weight"], ["weight", "bias"], ["gamma", "beta"])


@every_case
def test_frozen_parameters_get_no_gradient_work(case):
    run = run_of(case)
    gy = projection(run.forward())
    expected = run.gradients(gy)[: len(run.xs)]
    run.layer.freeze()
    assert run.layer.frozen
    for parameter in run.layer.parameters():
        parameter.grad = None
    run.forward()
    gx = run.layer.backward(gy)
    assert all(np.array_equal(g, e) for g, e in zip(gx if isinstance(gx, tuple) else (gx,), expected, strict=True))
    assert all(p.grad is None for p in run.layer.parameters() if p.name.endswith("weight"))
    if run.layer.skips_input_grad:
        run.forward()
        assert run.layer.backward(gy, input_grad=False) is None


@every_case
def test_layers_can_be_converted_to_another_dtype(case):
    layer = case.make(np.float32)
    xs = case.arrays(np.float32)
    layer.forward(*xs)
    away_from_start(layer)
    expected = layer.infer(*xs)
    y = layer.astype(np.float64).infer(*(x.astype(np.float64) for x in xs))
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, expected, rtol=0, atol=3e-6 * max(1, np.abs(y).max()))


@every_case
def test_repr_names_the_class_and_its_arguments(case):
    assert repr(case.make()).startswith(f"{case.kind.__name__}(")
