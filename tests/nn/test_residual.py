import copy

import numpy as np
import pytest

import fastconv as fc
from fastconv import nn
from fastconv.diagnostics import gradient_check
from fastconv.errors import InvalidArgumentError, NotReadyError
from fastconv.functional import to_memory_format

FORMATS = ("nchw", "channels_last")
# (block, its arguments, shape of x): identity and projection by channels, by stride, by both; odd sizes; channels that fill no
# vector; one pixel.
BLOCKS = [
    (nn.ResidualBlock, {"filters": 5}, (2, 5, 6, 7)),
    (nn.ResidualBlock, {"filters": 7}, (2, 4, 5, 5)),
    (nn.ResidualBlock, {"filters": 4, "stride": 2}, (2, 4, 7, 6)),
    (nn.ResidualBlock, {"filters": 17, "stride": 2, "in_channels": 3}, (2, 3, 5, 1)),
    (nn.Bottleneck, {"filters": 2}, (2, 8, 5, 4)),
    (nn.Bottleneck, {"filters": 3}, (2, 5, 4, 5)),
    (nn.Bottleneck, {"filters": 3, "stride": 2, "expansion": 2}, (3, 6, 5, 7)),
]
IDS = [f"{block.__name__}-{arguments}" for block, arguments, _ in BLOCKS]


def make(block, arguments, shape, memory_format="nchw", dtype=np.float64):
    """The block, built, with parameters that are not what they begin with; an input and an output's gradient."""
    rng = np.random.default_rng(3)
    layer = block(**arguments, rng=1, dtype=dtype).build(shape)
    for parameter in layer.parameters():
        parameter.data += 0.3 * rng.standard_normal(parameter.shape)
    for value in layer.buffers().values():
        value += rng.random(value.shape)
    x = to_memory_format(rng.standard_normal(shape).astype(dtype), memory_format)
    gy = to_memory_format(rng.standard_normal(layer.output_shape(shape)).astype(dtype), memory_format)
    return layer, x, gy


def by_hand(layer, x, training):
    """relu(f(x) + x) of the block's own layers, one after the other."""
    twin = copy.deepcopy(layer).train(training)
    main = x
    for inner in [*twin.main.layers, twin.norm]:
        main = inner.forward(main)
    skip = x
    for inner in twin.projection.layers if twin.projection else ():
        skip = inner.forward(skip)
    return np.maximum(main + skip, 0)


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize(("block", "arguments", "shape"), BLOCKS, ids=IDS)
def test_the_result_is_that_of_the_layers_one_by_one(block, arguments, shape, memory_format):
    layer, x, _ = make(block, arguments, shape, memory_format)
    expected = by_hand(layer, x, training=True)
    in_evaluation = by_hand(layer, x, training=False)
    for found, wanted in (
        (copy.deepcopy(layer).forward(x), expected),
        (layer.infer(x), in_evaluation),
        (copy.deepcopy(layer).eval().forward(x), in_evaluation),
    ):
        assert found.shape == layer.output_shape(shape)
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize(("block", "arguments", "shape"), BLOCKS, ids=IDS)
def test_gradients_are_slopes(block, arguments, shape, memory_format, training):
    layer, x, _ = make(block, arguments, shape, memory_format)
    check = gradient_check(layer.train(training), x, samples=12)
    assert check, str(check)


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize(("block", "arguments", "shape"), BLOCKS, ids=IDS)
def test_observed_blocks_give_the_same_and_show_every_layer(block, arguments, shape, memory_format):
    layer, x, gy = make(block, arguments, shape, memory_format)
    results = {}
    for fuse in (None, True, False):
        twin = copy.deepcopy(layer)
        seen = []

        def watch(inner, phase, function, array, seen=seen):
            seen.append((phase, inner.path))
            return function(array)

        if fuse is None:
            y = twin.forward(x)
            dx = twin.backward(gy)
        else:
            with nn.observed(twin, watch, fuse=fuse):
                y = twin.forward(x)
                dx = twin.backward(gy)
            leaves = [inner for _, inner in twin.layers_inside() if not inner.sublayers()]
            relus = {id(inner) for inner in leaves if isinstance(inner, nn.ReLU)}
            expected = {inner.path for inner in leaves if not (fuse and id(inner) in relus)}
            for phase in ("forward", "backward"):
                assert {path for p, path in seen if p == phase} == expected
                assert sum(p == phase for p, _ in seen) == len(expected)
        results[fuse] = [y, dx, *(p.grad for p in twin.parameters())]
    for fuse in (True, False):
        for found, wanted in zip(results[fuse], results[None], strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-10)


def test_parameters_of_the_main_branch_come_first_and_convolutions_have_no_bias():
    names = [p.name for p in nn.ResidualBlock(8, stride=2, in_channels=4).parameters()]
    main = ["main.conv1.weight", "main.bn1.gamma", "main.bn1.beta", "main.conv2.weight", "bn2.gamma", "bn2.beta"]
    assert names == [*main, "projection.conv.weight", "projection.bn.gamma", "projection.bn.beta"]


def test_only_blocks_that_change_the_shape_project():
    assert nn.ResidualBlock(8, in_channels=8).projection is None
    assert nn.Bottleneck(2, in_channels=8).projection is None
    assert nn.ResidualBlock(8, 2, in_channels=8).projection is not None
    assert nn.Bottleneck(8, in_channels=8).projection is not None


@pytest.mark.parametrize(("block", "arguments", "shape"), BLOCKS, ids=IDS)
def test_without_input_gradient_the_parameters_get_theirs(block, arguments, shape):
    layer, x, gy = make(block, arguments, shape)
    layer.forward(x)
    layer.backward(gy)
    wanted = [p.grad for p in layer.parameters()]
    twin = make(block, arguments, shape)[0]
    twin.forward(x)
    assert twin.backward(gy, input_grad=False) is None
    for found, expected in zip(twin.parameters(), wanted, strict=True):
        np.testing.assert_array_equal(found.grad, expected)


@pytest.mark.parametrize(("block", "arguments", "shape"), BLOCKS, ids=IDS)
def test_operands_stay_as_they_are(block, arguments, shape):
    layer, x, gy = make(block, arguments, shape)
    before = x.copy(), gy.copy()
    layer.forward(x)
    layer.backward(gy)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(gy, before[1])


def test_backward_lets_go_of_what_forward_kept():
    layer, x, gy = make(*BLOCKS[2])
    layer.forward(x)
    layer.backward(gy)
    assert all(inner._saved is None for _, inner in layer.layers_inside())
    with pytest.raises(NotReadyError):
        layer.backward(gy)


@pytest.mark.parametrize(("block", "arguments", "shape"), BLOCKS, ids=IDS)
def test_saved_blocks_come_back(block, arguments, shape, tmp_path):
    layer, x, _ = make(block, arguments, shape, dtype=np.float32)
    net = nn.CNN([layer])
    net.save(tmp_path / "net.npz")
    np.testing.assert_array_equal(nn.CNN.load(tmp_path / "net.npz").infer(x), net.infer(x))


def test_multiply_adds_are_those_of_the_layers():
    block = nn.ResidualBlock(8, stride=2, in_channels=4)
    convolutions = 2 * 8 * 16 * (4 * 9) + 2 * 8 * 16 * (8 * 9) + 2 * 8 * 16 * 4
    norms = 3 * 2 * 8 * 16
    assert block.multiply_adds((2, 4, 8, 8)) == convolutions + norms


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.ResidualBlock(0), "filters: got 0"),
        (lambda: nn.ResidualBlock(4, stride=0), "stride: got 0"),
        (lambda: nn.Bottleneck(4, expansion=0), "expansion: got 0"),
        (lambda: nn.ResidualBlock(4).forward(np.ones((2, 3), np.float32)), r"expected \(n, c, h, w\)"),
        (lambda: nn.ResidualBlock(4, in_channels=4).forward(np.ones((2, 3, 4, 4), np.float32)), r"expected \(n, 4, h, w\)"),
        (lambda: nn.ResidualBlock(4, in_channels=4).output_shape((2, 3, 4, 4)), r"expected \(n, 4, h, w\)"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(InvalidArgumentError, match=message):
        call()


def test_results_do_not_depend_on_a_second_run():
    layer, x, gy = make(*BLOCKS[3], dtype=np.float32)
    for threads in (1, 2):
        with fc.num_threads(threads):
            runs = []
            for _ in range(2):
                twin = copy.deepcopy(layer)
                y = twin.forward(x)
                runs.append([y, twin.backward(gy), *(p.grad for p in twin.parameters())])
        for first, second in zip(*runs, strict=True):
            np.testing.assert_array_equal(first, second)
