import copy
import pickle

import numpy as np
import pytest

from fastconv import nn
from fastconv.diagnostics import gradient_check
from fastconv.errors import InvalidArgumentError, InvalidTypeError, NotReadyError
from fastconv.functional import to_memory_format

FORMATS = ("nchw", "channels_last")


def chain():
    """Layers that any container runs one after the other, with activations of all kinds to fuse."""
    return [
        nn.Conv2D(5, 3, padding=1), nn.BatchNormalization(), nn.ReLU(), nn.Conv2D(4, 3, stride=2), nn.Tanh(), nn.MaxPool2D(2),
        nn.GELU(), nn.Flatten(), nn.Dense(6), nn.LeakyReLU(0.2), nn.Dense(3),
    ]  # fmt: skip


def branching(**options):
    """Everything a graph can have: a branch used three times, a sum, a concatenation, a layer that joins the input itself."""
    net = nn.Graph(rng=5, **options)
    net.add(nn.Conv2D(4, 3, padding=1), "input", name="stem")
    net.add(nn.ReLU(), "stem", name="stem_relu")
    net.add(nn.Conv2D(4, 3, padding=1), "stem_relu", name="left")
    net.add(nn.BatchNormalization(), "left", name="left_norm")
    net.add(nn.Conv2D(4, 1), "stem_relu", name="right")
    net.add(nn.Sigmoid(), "right", name="right_sigmoid")
    net.add(nn.Add(), "left_norm", "right_sigmoid", "stem_relu", name="sum")
    net.add(nn.Concat(), "sum", "input", name="all")
    net.add(nn.GlobalAvgPool2D(), "all", name="pool")
    net.add(nn.Dense(3), "pool", name="scores")
    return net


def branching_by_hand(net, x):
    """The same from the graph's layers."""
    layer = {name: layer for name, (layer, _) in net._nodes.items()}
    stem = np.maximum(layer["stem"].forward(x), 0)
    left = layer["left_norm"].forward(layer["left"].forward(stem))
    right = 1 / (1 + np.exp(-layer["right"].forward(stem)))
    both = np.concatenate([left + right + stem, x], axis=1)
    return layer["scores"].forward(both.mean(axis=(2, 3)))


def sample(shape=(2, 3, 9, 7), dtype=np.float64):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def of_dtype(net, x, dtype=np.float64):
    return net.build(x.shape).astype(dtype)


@pytest.mark.parametrize("memory_format", FORMATS)
def test_a_chain_is_a_sequential(memory_format):
    x = sample(dtype=np.float32)
    layers = chain()
    one = nn.CNN(layers, memory_format=memory_format, rng=7).build(x.shape)
    other = nn.Graph(memory_format=memory_format)
    for layer in copy.deepcopy(layers):
        other.add(layer)
    gy = sample((2, 3), np.float32)
    results = []
    for net in (one, other):
        y = net.forward(x)
        dx = net.backward(gy)
        results.append([y, dx, *(p.grad for p in net.parameters()), net.infer(x), *net.buffers().values()])
    for found, wanted in zip(*results, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert one.output_shape(x.shape) == other.output_shape(x.shape)
    assert one.multiply_adds(x.shape) == other.multiply_adds(x.shape)


def test_branches_and_joins_compute_what_their_layers_do():
    x = sample()
    net = of_dtype(branching(), x)
    np.testing.assert_allclose(copy.deepcopy(net).forward(x), branching_by_hand(copy.deepcopy(net), x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(net.infer(x), branching_by_hand(copy.deepcopy(net).eval(), x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("memory_format", FORMATS)
def test_gradients_are_slopes(memory_format):
    net = branching(memory_format=memory_format)
    check = gradient_check(net, to_memory_format(sample(), memory_format), samples=15)
    assert check, str(check)


def test_observed_graphs_give_the_same_and_show_every_layer():
    x, gy = sample(), sample((2, 3))
    net = of_dtype(branching(), x)
    results = {}
    for fuse in (None, True, False):
        twin, seen = copy.deepcopy(net), []

        def watch(layer, phase, function, array, seen=seen):
            seen.append((phase, layer.path))
            return function(array)

        with nn.observed(twin, watch, fuse=bool(fuse)):
            if fuse is None:
                twin.observer = None
            results[fuse] = [twin.forward(x), twin.backward(gy), *(p.grad for p in twin.parameters())]
        hidden = {layer.path for layer in twin.fused_layers()}
        assert hidden == {"stem_relu", "right_sigmoid"}
        if fuse is not None:
            wanted = [name for name in twin._nodes if not (fuse and name in hidden)]
            assert sorted(path for phase, path in seen if phase == "forward") == sorted(wanted)
            assert sorted(path for phase, path in seen if phase == "backward") == sorted(wanted)
    for fuse in (True, False):
        for found, wanted in zip(results[fuse], results[None], strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("with_relu", [True, False])
@pytest.mark.parametrize("seen", ["pool", "relu", "norm"])
def test_normalisation_pools_its_result_if_nobody_else_sees_it(with_relu, seen):
    if seen == "relu" and not with_relu:
        return
    net = nn.Graph(outputs=("pool", seen) if seen != "pool" else "pool", rng=0, dtype=np.float64)
    net.add(nn.BatchNormalization(dtype=np.float64), "input", name="norm")
    if with_relu:
        net.add(nn.ReLU(dtype=np.float64), "norm", name="relu")
    net.add(nn.MaxPool2D(2, dtype=np.float64), "relu" if with_relu else "norm", name="pool")
    x = sample((2, 3, 6, 8))
    fused = net.forward(x)
    hidden = {layer.path for layer in net.fused_layers()}
    expected = {("pool", True): {"relu", "pool"}, ("pool", False): {"pool"}, ("relu", True): {"relu"}}
    assert hidden == expected.get((seen, with_relu), set())
    gy = tuple(np.ones_like(y) for y in fused) if seen != "pool" else np.ones_like(fused)
    dx = net.backward(gy)
    with nn.observed(net, lambda layer, phase, function, array: function(array)):
        single = net.forward(x)
        for a, b in zip(fused if seen != "pool" else [fused], single if seen != "pool" else [single], strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
        np.testing.assert_allclose(dx, net.backward(gy), rtol=0, atol=1e-12)


def test_an_activation_is_not_fused_where_its_input_is_used_elsewhere():
    net = nn.Graph(outputs=("conv", "relu"), rng=0)
    net.add(nn.Conv2D(2, 1), "input", name="conv")
    net.add(nn.ReLU(), "conv", name="relu")
    x = sample(dtype=np.float32)
    conv, relu = net.forward(x)
    assert conv.min() < 0
    np.testing.assert_array_equal(relu, np.maximum(conv, 0))
    assert net.fused_layers() == []


def test_several_outputs_take_several_gradients():
    x = sample()

    def make():
        net = nn.Graph(outputs=("a", "b"), rng=0)
        net.add(nn.Conv2D(2, 3), "input", name="a")
        net.add(nn.Conv2D(3, 1), "a", name="b")
        return of_dtype(net, x)

    net = make()
    assert net.output_shape((None, 3, 9, 7)) == ((None, 2, 7, 5), (None, 3, 7, 5))
    ya, yb = net.forward(x)
    ga, gb = sample(ya.shape), sample(yb.shape)
    dx = net.backward((ga, gb))
    parts = []
    for given in ((ga, None), (None, gb)):
        net = make()
        net.forward(x)
        parts.append(net.backward(given))
    assert net.forward(x)[1].shape == yb.shape
    np.testing.assert_allclose(dx, parts[0] + parts[1], rtol=1e-12)
    with pytest.raises(InvalidArgumentError, match="gy: got 1 gradients"):
        net.backward((ga,))


def test_a_layer_may_take_the_same_result_twice():
    x = sample()
    net = nn.Graph()
    net.add(nn.Add(), "input", "input")
    np.testing.assert_array_equal(net.forward(x.astype(np.float32)), 2 * x.astype(np.float32))
    gy = sample(dtype=np.float32)
    np.testing.assert_array_equal(net.backward(gy), 2 * gy)


def test_gradients_that_branches_share_are_not_overwritten():
    """Add returns one array for all its inputs; the sum at one branch must not leak into another."""
    net = nn.Graph(outputs="sum")
    for name in "ab":
        net.add(nn.Dense(3, 3, bias=False, rng=0), "input", name=name)
    net.add(nn.Dense(3, 3, bias=False, rng=1), "a", name="more")
    net.add(nn.Add(), "a", "b", "more", name="sum")
    x, gy = sample((2, 3), np.float32), sample((2, 3), np.float32)
    net.forward(x)
    before = gy.copy()
    net.backward(gy)
    np.testing.assert_array_equal(gy, before)
    weight = {p.name: p for p in net.parameters()}
    np.testing.assert_allclose(weight["b.weight"].grad, x.T @ gy, rtol=1e-5, atol=1e-6)
    through = gy + gy @ weight["more.weight"].array.T
    np.testing.assert_allclose(weight["a.weight"].grad, x.T @ through, rtol=1e-5, atol=1e-6)


def test_layers_run_after_their_inputs_whatever_the_order_they_came_in():
    x = sample(dtype=np.float32)
    net = nn.Graph(outputs="last", rng=0)
    net.add(nn.ReLU(), "middle", name="last")
    net.add(nn.Conv2D(2, 1), "first", name="middle")
    net.add(nn.Conv2D(4, 3), "input", name="first")
    assert net.forward(x).shape == net.output_shape(x.shape) == (2, 2, 7, 5)


def test_deep_graphs_need_no_recursion():
    net = nn.Graph()
    for _ in range(2000):
        net.add(nn.Tanh())
    assert net.output_shape((None, 3)) == (None, 3)


@pytest.mark.parametrize("frozen", ["stem", "left", "scores", "all but right"])
def test_without_input_gradient_nothing_frozen_is_gone_back_to(frozen):
    x, gy = sample(), sample((2, 3))
    net = of_dtype(branching(), x)
    net.forward(x)
    net.backward(gy)
    wanted = {p.name: p.grad.copy() for p in net.parameters()}
    twin = of_dtype(branching(), x)
    for name, (layer, _) in twin._nodes.items():
        if name == frozen or (frozen == "all but right" and name != "right"):
            layer.freeze()
    seen = []

    def watch(layer, phase, function, array):
        seen.append((phase, layer.path))
        return function(array)

    with nn.observed(twin, watch):
        twin.forward(x)
        assert twin.backward(gy, input_grad=False) is None
    gone_back = {path for phase, path in seen if phase == "backward"}
    for parameter in twin.parameters():
        if parameter.trainable:
            np.testing.assert_allclose(parameter.grad, wanted[parameter.name], rtol=1e-9, atol=1e-12)
    if frozen == "all but right":
        assert gone_back == {"scores", "pool", "all", "sum", "right_sigmoid", "right"}
    if frozen == "stem":
        assert not gone_back & {"stem", "stem_relu"}


def test_backward_lets_go_of_what_forward_kept():
    x = sample()
    net = of_dtype(branching(), x)
    net.forward(x)
    net.backward(sample((2, 3)))
    assert all(layer._saved is None for _, layer in net.layers_inside())
    with pytest.raises(NotReadyError):
        net.backward(sample((2, 3)))


@pytest.mark.parametrize("outputs", [None, "scores", ("pool", "scores")])
def test_saved_graphs_come_back(outputs, tmp_path):
    x = sample(dtype=np.float32)
    net = branching(outputs=outputs)
    net.forward(x)
    net.save(tmp_path / "net.npz")
    wanted = net.infer(x)
    for other in (nn.Graph.load(tmp_path / "net.npz"), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        found = other.infer(x)
        assert isinstance(found, tuple) == isinstance(wanted, tuple)
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b)
        assert [p.name for p in other.parameters()] == [p.name for p in net.parameters()]


def test_a_graph_trains():
    from fastconv.optim import SGD

    x, labels = sample((8, 3, 6, 6), np.float32), np.arange(8) % 3
    net, optimizer = branching(), SGD(lr=0.05, momentum=0.9)
    losses = [net.train_step(x, labels, optimizer) for _ in range(40)]
    assert losses[-1] < 0.6 * losses[0]


def test_a_graph_may_be_a_part_of_a_network():
    x = sample(dtype=np.float32)
    inner = nn.Graph(outputs="sum")
    inner.add(nn.Conv2D(3, 3, padding=1), "input", name="conv")
    inner.add(nn.Add(), "conv", "input", name="sum")
    net = nn.CNN([inner, nn.GlobalAvgPool2D(), nn.Dense(2)], rng=0)
    assert net.forward(x).shape == (2, 2)
    assert next(p.name for p in net.parameters()) == "graph.conv.weight"
    check = gradient_check(net, x, samples=10)
    assert check, str(check)


def cycle():
    net = nn.Graph()
    net.add(nn.ReLU(), "c", name="a")
    net.add(nn.ReLU(), "a", name="b")
    net.add(nn.ReLU(), "b", name="c")
    return net


def unknown():
    net = nn.Graph()
    net.add(nn.ReLU(), "conv", name="relu")
    return net


def useless():
    net = nn.Graph(outputs="a")
    net.add(nn.ReLU(), "input", name="a")
    net.add(nn.ReLU(), "a", name="b")
    return net


def twice():
    net, layer = nn.Graph(), nn.ReLU()
    net.add(layer)
    net.add(layer)


def same_name():
    net = nn.Graph()
    net.add(nn.ReLU(), name="a")
    net.add(nn.ReLU(), name="a")


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: cycle().output_shape((None, 3)), InvalidArgumentError, "cycle: c <- b <- a <- c"),
        (
            lambda: unknown().output_shape((None, 3)),
            InvalidArgumentError,
            "relu: there is no layer 'conv'; there are input, relu",
        ),
        (lambda: useless().forward(np.ones((1, 2), np.float32)), InvalidArgumentError, "lead to no output: b"),
        (lambda: nn.Graph(outputs="x").output_shape((1, 2)), InvalidArgumentError, "outputs: there is no layer 'x'"),
        (lambda: nn.Graph(outputs=()).output_shape((1, 2)), InvalidArgumentError, "outputs: got none"),
        (twice, InvalidArgumentError, "a layer has one place"),
        (same_name, InvalidArgumentError, "'a' is taken"),
        (lambda: nn.Graph().add(nn.ReLU(), name="input"), InvalidArgumentError, "'input' is taken"),
        (lambda: nn.Graph().add("relu"), InvalidTypeError, "layer: got str"),
        (lambda: nn.Graph().add(nn.ReLU(), 3), InvalidTypeError, "inputs: got int"),
        (lambda: branching().parameters(), NotReadyError, "build"),
    ],
)
def test_what_cannot_be_is_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
