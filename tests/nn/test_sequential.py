"""Containers: fusing, observing, freezing, naming."""

import functools
import itertools

import numpy as np
import pytest

import fastconv as fc
from fastconv import nn
from fastconv.problem import memory_format_of
from nn.cases import FORMATS, in_format

IMAGE, ROWS = (2, 3, 6, 8), (4, 6)
P = functools.partial
PRODUCERS = [
    (P(nn.Conv2D, 4, 3, padding=1), IMAGE),
    (P(nn.Conv2D, 4, 3, padding=1, bias=False), IMAGE),
    (P(nn.Conv2D, 3, 3, groups=3), IMAGE),
    (P(nn.Dense, 5), ROWS),
    (P(nn.Dense, 5, bias=False), ROWS),
    (nn.BatchNormalization, IMAGE),
    (nn.BatchNormalization, ROWS),
    (P(nn.GroupNormalization, 1), IMAGE),
    (P(nn.AvgPool2D, 2), IMAGE),
]
ACTIVATIONS = [nn.ReLU, nn.ReLU6, nn.LeakyReLU, P(nn.LeakyReLU, 0.3), nn.Sigmoid, nn.Tanh, nn.SiLU, nn.GELU, nn.Softmax]
BEHIND = [None, P(nn.MaxPool2D, 2), P(nn.AdaptiveMaxPool2D, 3), P(nn.AvgPool2D, 2)]


def label(make):
    if make is None:
        return "nothing"
    return getattr(make, "__name__", None) or make.func.__name__ + str((*make.args, *make.keywords))


PATTERNS = [
    pytest.param(
        producer, shape, activation, behind, id="-".join(map(label, (producer, activation, behind))) + f"-{len(shape)}d"
    )
    for (producer, shape), activation, behind in itertools.product(PRODUCERS, ACTIVATIONS, BEHIND)
    if behind is None or len(shape) == 4
]


def block(*makes, rng=0):
    return nn.Sequential([make(dtype=np.float64) for make in makes if make is not None], rng=rng, dtype=np.float64)


def passthrough(layer, phase, function, array):
    return function(array)


def all_passes(net, x):
    """Results of infer, forward and backward: the gradient of the input and of all parameters."""
    for name, buffer in net.buffers().items():
        buffer[...] = 1.5 if name.endswith("var") else 0.5
    inferred = net.infer(x).copy()
    y = net.forward(x)
    gy = in_format(np.random.default_rng(5).standard_normal(y.shape), "channels_last" if is_nhwc(y) else "nchw")
    gradients = [net.backward(gy), *(p.grad for p in net.parameters())]
    return [y, inferred, *(g.copy() for g in gradients), *(b.copy() for b in net.buffers().values())]


def is_nhwc(a):
    return a.ndim == 4 and memory_format_of(a) == "nhwc"


@pytest.mark.parametrize(("producer", "shape", "activation", "behind"), PATTERNS)
def test_fused_layers_give_the_results_of_single_ones(producer, shape, activation, behind):
    for memory_format, training in itertools.product(FORMATS, (True, False)):
        x = in_format(np.random.default_rng(3).standard_normal(shape), memory_format)
        net = block(producer, activation, behind).build(shape).train(training)
        fused = all_passes(net, x)
        with nn.observed(net, passthrough):
            single = all_passes(net, x)
        for a, b in zip(fused, single, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * max(1, np.abs(b).max()))


@pytest.mark.parametrize(("producer", "shape", "activation", "behind"), PATTERNS)
def test_what_can_be_fused_is(producer, shape, activation, behind):
    net = block(producer, activation, behind).build(shape)
    seen = []
    for layer in net.layers:
        layer.forward = functools.partial(counted, seen, layer, layer.forward)
    net.forward(np.ones(shape))
    first, function, *last = net.layers
    name = nn.activations.activation_name(getattr(function, "activation", None))
    pooled = first.pools and name == "relu" and bool(last) and isinstance(last[0], nn.MaxPool2D)
    by_pool = not pooled and name == "relu" and bool(last) and "relu" in last[0].fuses
    fused = pooled or by_pool or name in first.fuses
    expected = [first, *last] if fused else [first, function, *last]
    assert [layer for layer, _, _ in seen] == (expected[:1] if pooled else expected)
    taking = (last[0] if by_pool else first) if fused else None
    assert [layer for layer, activation, _ in seen if activation is not None] == ([taking] if fused else [])
    assert [pool for *_, pool in seen if pool is not None] == (last if pooled else [])


def counted(seen, layer, forward, x, activation=None, pool=None):
    seen.append((layer, activation, pool))
    options = {"activation": activation, "pool": pool}
    return forward(x, **{name: value for name, value in options.items() if value is not None})


POOLED = {
    "2x2": (lambda: nn.MaxPool2D(2), True),
    "3x2, with pixels beside": (lambda: nn.MaxPool2D((3, 2)), True),
    "its own size as stride": (lambda: nn.MaxPool2D((3, 3), stride=3), True),
    "too large for taps of a byte": (lambda: nn.MaxPool2D((16, 17)), True),
    "overlapping": (lambda: nn.MaxPool2D(3, stride=2), False),
    "padded": (lambda: nn.MaxPool2D(3, stride=3, padding=1), False),
    "dilated": (lambda: nn.MaxPool2D(2, dilation=2), False),
    "to the end": (lambda: nn.MaxPool2D(2, ceil_mode=True), False),
    "adaptive": (lambda: nn.AdaptiveMaxPool2D(2), False),
}


@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("name", POOLED)
def test_normalisation_pools_windows_side_by_side(name, activation):
    make_pool, fuses = POOLED[name]
    for memory_format, training in itertools.product(FORMATS, (True, False)):
        x = in_format(np.random.default_rng(3).standard_normal((2, 5, 17, 20)), memory_format)
        net = nn.Sequential([nn.BatchNormalization(dtype=np.float64), *([nn.ReLU()] if activation else []), make_pool()])
        net.build(x.shape).train(training)
        net.layers[0].gamma.array[:2] = 0, -1.5
        assert (net.layers[-1] in net.fused_layers()) == fuses
        fused = all_passes(net, x)
        with nn.observed(net, passthrough):
            single = all_passes(net, x)
        for a, b in zip(fused, single, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * max(1, np.abs(b).max()))


def test_a_normalisation_takes_a_residual_or_a_pool():
    x, norm = np.ones((2, 3, 4, 4), np.float32), nn.BatchNormalization()
    for phase in norm.forward, norm.infer:
        with pytest.raises(fc.InvalidArgumentError, match=r"^BatchNormalization: got a residual and a pool"):
            phase(x, residual=x, pool=nn.MaxPool2D(2))


def test_a_normalisation_with_a_forward_of_its_own_pools_nothing():
    class Louder(nn.BatchNormalization):
        def forward(self, x, activation=None):
            return super().forward(2 * x, activation)

    net = nn.Sequential([Louder(dtype=np.float64), nn.MaxPool2D(2)]).build((2, 3, 4, 4))
    assert net.fused_layers() == []
    assert net.forward(np.random.default_rng(0).standard_normal((2, 3, 4, 4))).shape == (2, 3, 2, 2)


def test_a_layer_with_its_own_activation_takes_no_second_one():
    net = nn.Sequential([nn.Conv2D(2, 1, activation="relu", in_channels=1, rng=0), nn.Sigmoid()])
    x = np.ones((1, 1, 2, 2), np.float32)
    assert (net.forward(x) >= 0.5).all()


def test_an_observer_sees_every_pass_of_every_layer():
    inner = nn.Sequential([nn.Conv2D(3, 1), nn.ReLU()], name="inner")
    net = nn.CNN([inner, nn.ChannelAttention(2, name="attention"), nn.Flatten(), nn.Dense(2)], rng=0)
    x, seen = np.ones((2, 3, 2, 2), np.float32), []
    net.build(x.shape)

    def observer(layer, phase, function, array):
        result = function(array)
        seen.append((layer.path, phase, None if result is None else result.shape))
        return result

    with nn.observed(net, observer) as same:
        assert same is net
        net.backward(np.ones_like(net.forward(x)), input_grad=False)
    image, gate = (2, 3, 2, 2), (2, 3)
    attention = [("mean", gate), ("squeeze", (2, 1)), ("relu", (2, 1)), ("excite", gate), ("sigmoid", gate)]
    assert seen[:4] == [
        ("inner.conv2d", "forward", image), ("inner.relu", "forward", image), ("inner", "forward", image),
        ("attention.gate.mean", "forward", gate),
    ]  # fmt: skip
    assert seen[3:8] == [(f"attention.gate.{name}", "forward", shape) for name, shape in attention]
    backward = [(path, shape) for path, phase, shape in seen if phase == "backward"]
    assert [path for path, _ in backward] == [
        "dense", "flatten", *(f"attention.gate.{name}" for name, _ in reversed(attention)), "attention", "inner.relu",
        "inner.conv2d", "inner",
    ]  # fmt: skip
    # Nobody wants the gradient of the network's input.
    assert backward[-2:] == [("inner.conv2d", None), ("inner", None)]


def test_an_observer_changes_what_it_returns():
    net = nn.Sequential([nn.ReLU(), nn.Sigmoid()])
    with nn.observed(net, lambda layer, phase, function, array: function(array) * 0):
        assert not net.infer(np.ones((1, 2), np.float32)).any()


def test_observers_are_restored_whatever_happens():
    inner = nn.Sequential([nn.ReLU()])
    net = nn.Sequential([inner])
    inner.observer = passthrough
    with pytest.raises(ZeroDivisionError), nn.observed(net, lambda *_: 1 // 0):
        net.forward(np.ones((1, 2), np.float32))
    assert net.observer is None and inner.observer is passthrough


def test_errors_name_the_innermost_layer():
    net = nn.CNN([nn.Sequential([nn.ReLU(), nn.MaxPool2D(3, name="pool")], name="inner")])
    for use in (net.output_shape, lambda shape: net.forward(np.ones(shape, np.float32))):
        with pytest.raises(fc.InvalidArgumentError) as caught:
            use((1, 2, 2, 2))
        assert caught.value.__notes__ == ["in layer inner.pool"]


def test_frozen_layers_in_front_do_no_work():
    net = nn.Sequential([nn.Conv2D(3, 1), nn.ReLU(), nn.BatchNormalization(), nn.Conv2D(2, 1), nn.Sigmoid()], rng=0)
    x = np.ones((2, 3, 2, 2), np.float32)
    y = net.forward(x)
    net.layers[0].freeze(), net.layers[2].freeze()

    def refuse(*_, **__):
        raise AssertionError("a frozen layer in front was run")

    for layer in net.layers[:3]:
        layer.backward = refuse
    assert net.backward(y, input_grad=False) is None
    assert [p.grad is None for p in net.parameters()] == [True] * 4 + [False] * 2
    net.layers[3].freeze()
    net.layers[3].backward = refuse
    net.forward(x)
    assert net.backward(y, input_grad=False) is None


def test_backward_lets_go_of_what_was_kept():
    net = nn.Sequential([nn.Conv2D(3, 1), nn.ReLU(), nn.MaxPool2D(2)], rng=0)
    y = net.forward(np.ones((1, 2, 4, 4), np.float32))
    net.backward(y)
    assert all(layer._saved is None for _, layer in net.layers_inside())
    with pytest.raises(fc.NotReadyError):
        net.backward(y)


def test_layers_get_names_of_their_own_and_paths():
    net = nn.Sequential(
        [nn.ReLU(), nn.ReLU(name="relu_2"), nn.ReLU(), nn.Sequential([nn.Dense(2, 3)], name="head")], name="net"
    )
    assert [layer.name for layer in net.layers] == ["relu", "relu_2", "relu_3", "head"]
    assert [path for path, _ in net.layers_inside()] == [
        "net", "net.relu", "net.relu_2", "net.relu_3", "net.head", "net.head.dense",
    ]  # fmt: skip
    assert [p.name for p in net.parameters()] == ["net.head.dense.weight", "net.head.dense.bias"]


def test_a_layer_has_one_place():
    relu, net = nn.ReLU(), nn.Sequential(name="net")
    assert net.add_layer(relu) is net
    with pytest.raises(fc.InvalidArgumentError, match=r"^layer: .*one place"):
        net.add_layer(relu)
    with pytest.raises(fc.InvalidArgumentError, match=r"^layer: .*'relu' already"):
        net.add_layer(nn.Sigmoid(name="relu"))
    with pytest.raises(fc.InvalidTypeError, match=r"^layer: got int"):
        net.add_layer(3)
    with pytest.raises(fc.InvalidArgumentError, match="one place"):
        net.add_layer(net)


def test_initial_values_follow_from_the_seed():
    def weights(rng):
        net = nn.Sequential([nn.Conv2D(3, 3), nn.Dropout(), nn.Flatten(), nn.Dense(2)], rng=rng).build((1, 2, 4, 4))
        return np.concatenate([p.array.ravel() for p in net.parameters()])

    assert np.array_equal(weights(0), weights(0)) and not np.array_equal(weights(0), weights(1))
    assert np.array_equal(weights(np.random.default_rng(7)), weights(7))


def test_layers_added_later_are_built_and_fused_too():
    net = nn.Sequential([nn.Dense(3)], rng=0)
    x = np.ones((1, 2), np.float32)
    assert (net.forward(x) < 0).any()
    net.add_layer(nn.ReLU()).add_layer(nn.Dense(2))
    assert net.forward(x).shape == (1, 2)
    assert (net.layers[0].forward(x, activation="relu") >= 0).all()


def test_layers_made_while_building_are_in_the_mode_of_theirs():
    for block in nn.ResidualBlock(3), nn.DepthwiseSeparableConv(3, batch_norm=True):
        block.eval().build((1, 2, 4, 4))
        assert not any(layer.training for _, layer in block.layers_inside())


def test_building_leaves_modes_that_were_set():
    net = nn.Sequential([nn.BatchNormalization(name="norm"), nn.Dropout(0.5)], rng=0)
    net.layers[0].eval()
    net.forward(np.ones((3, 2), np.float32))
    assert [layer.training for layer in net.layers] == [False, True]
