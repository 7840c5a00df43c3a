import numpy as np
import pytest

import fastconv as fc
from fastconv import models, nn
from fastconv.diagnostics import summary
from fastconv.errors import InvalidArgumentError
from fastconv.problem import DIRECTIONS

BATCH = (32, 3, 32, 32)


def columns(result, *names):
    return [tuple(getattr(row, name) for name in names) for row in result.rows]


def test_the_guides_figures_of_the_simple_cnn():
    result = summary(models.simple_cnn((None, *BATCH[1:]), 10, rng=0), BATCH)
    with_parameters = [row for row in result.rows if row.parameters]
    assert [row.parameters for row in with_parameters] == [896, 18_496, 524_416, 1_290]
    assert [row.multiply_adds for row in with_parameters] == [29_360_128, 151_519_232, 16_781_312, 41_280]
    assert result.parameters == 545_098
    text = str(result)
    for figure in ("896", "18,496", "524,416", "1,290", "29.4M", "152M", "16.8M", "41.3K", "545,098 parameters"):
        assert figure in text
    # Input, convolutions, poolings, dense layers, as the guide lists them; about 8 MB.
    sizes = {row.name: row.activation_bytes for row in result.rows if row.kind != "Dropout" and row.activation_bytes}
    guide = {
        "input": 393_216, "conv2d": 4_194_304, "maxpool2d": 1_048_576, "conv2d_2": 2_097_152, "maxpool2d_2": 524_288,
        "dense": 16_384, "dense_2": 1_280,
    }  # fmt: skip
    assert sizes == guide
    assert 8.0e6 < result.activation_bytes < 8.5e6


@pytest.mark.parametrize(
    "make",
    [
        lambda: models.simple_cnn((None, *BATCH[1:]), 10, rng=0),
        lambda: models.advanced_cnn((None, *BATCH[1:]), 10, rng=0),
        lambda: models.resnet18((None, *BATCH[1:]), 10, stem="cifar", rng=0),
        lambda: models.resnet50((None, *BATCH[1:]), 10, rng=0),
        lambda: models.mobilenet_v1((None, *BATCH[1:]), 10, rng=0),
    ],
)
def test_rows_add_up_and_shapes_are_those_of_a_real_pass(make):
    net = make()
    result = summary(net, BATCH)
    assert sum(row.parameters for row in result.rows) == result.parameters == sum(p.size for p in net.parameters())
    assert result.multiply_adds == net.multiply_adds(BATCH)
    seen = {}

    def watch(layer, phase, function, array):
        y = function(array)
        seen[layer.path] = y.shape
        return y

    with nn.observed(net, watch):
        net.infer(np.zeros((1, *BATCH[1:]), np.float32))
    assert result.rows[0].output_shape == BATCH
    for row in result.rows[1:]:
        assert row.output_shape == (32, *seen[row.name][1:])


def test_graphs_and_layers_with_several_inputs():
    net = nn.Graph(rng=0)
    net.add(nn.Conv2D(3, 3, padding=1), "input", name="conv")
    net.add(nn.Concat(), "conv", "input", name="both")
    net.add(nn.Add(), "both", "both", name="sum")
    result = summary(net, (2, 3, 4, 4))
    assert columns(result, "name", "output_shape") == [
        ("input", (2, 3, 4, 4)), ("conv", (2, 3, 4, 4)), ("both", (2, 6, 4, 4)), ("sum", (2, 6, 4, 4)),
    ]  # fmt: skip


@pytest.mark.parametrize("memory_format", ["nchw", "channels_last"])
def test_the_algorithms_are_those_the_layers_use(memory_format):
    net = nn.CNN([nn.Conv2D(16, 3, padding=1), nn.Conv2D(8, 1, algorithm="im2col")], memory_format=memory_format, rng=0)
    result = summary(net, (4, 16, 12, 12))
    first, second = [row for row in result.rows if row.algorithms]
    for direction in DIRECTIONS:
        problem = fc.ConvProblem.from_shapes(
            (4, 16, 12, 12), (16, 16, 3, 3), padding=1, direction=direction,
            memory_format="nhwc" if memory_format == "channels_last" else "nchw",
        )  # fmt: skip
        assert first.algorithms[direction] == fc.plan(problem).algorithm.name
    assert second.algorithms["forward"] == "im2col"
    assert "im2col" in str(result)


def test_a_batch_of_none_gives_figures_of_one_image():
    net = models.simple_cnn((None, *BATCH[1:]), 10, rng=0)
    one, none = summary(net, (1, *BATCH[1:])), summary(net)
    assert none.input_shape == (None, *BATCH[1:]) and all(row.output_shape[0] is None for row in none.rows)
    assert columns(one, "multiply_adds", "activation_bytes") == columns(none, "multiply_adds", "activation_bytes")
    assert "nx3x32x32" in str(none) and "an image" in str(none)
    assert str(net.summary()) == str(none)


def test_frozen_parameters_are_told_apart():
    net = models.simple_cnn((None, *BATCH[1:]), 10, rng=0)
    net.layers[0].freeze()
    result = summary(net)
    assert result.parameters - result.trainable == 896 and "896 of them frozen" in str(result)


def test_nothing_runs_and_the_state_stays():
    net = models.resnet18((None, 3, 32, 32), 10, stem="cifar", rng=0)
    before = net.state_dict()
    summary(net, BATCH)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert all(getattr(layer, "observer", None) is None for _, layer in net.layers_inside())


def test_single_layers_and_blocks_have_summaries_too():
    assert summary(nn.Dense(3), (None, 4)).multiply_adds == 15
    assert len(summary(nn.ResidualBlock(8), (None, 4, 8, 8)).rows) == 9


def test_without_a_shape_the_network_must_have_been_built():
    with pytest.raises(InvalidArgumentError, match="input_shape"):
        summary(nn.CNN([nn.Conv2D(4, 3)]))


def test_html_shows_the_same_cells():
    result = summary(nn.CNN([nn.Dense(3, name="a<b")], rng=0), (None, 4))
    html = result._repr_html_()
    assert ">a&lt;b</td>" in html and html.count("<tr>") == len(result.rows) + 1
