"""The convolutions of a network, for tuning ahead of training."""

import numpy as np
import pytest

import fastconv as fc
from fastconv import models, nn
from fastconv.errors import NotReadyError
from fastconv.problem import DIRECTIONS, memory_format_of

SHAPE = (4, 3, 32, 32)


@pytest.mark.parametrize("memory_format", ["channels_last", "nchw"])
def test_problems_are_those_of_a_real_step(memory_format):
    net = models.resnet18((None, *SHAPE[1:]), 10, stem="cifar", rng=0)
    net.memory_format = memory_format
    seen = []

    def watch(layer, phase, function, array):
        if isinstance(layer, nn.Conv2D) and phase == "forward":
            seen.extend(layer.problem(array.shape, memory_format_of(array), direction) for direction in DIRECTIONS)
        return function(array)

    with nn.observed(net, watch):
        net.forward(np.zeros(SHAPE, np.float32))
    assert net.problems(SHAPE) == seen
    assert len(seen) == 3 * 20


def test_graphs_have_problems_and_the_batch_is_one_unless_given():
    net = nn.Graph(rng=0)
    net.add(nn.Conv2D(4, 3, padding=1), "input", name="conv")
    net.add(nn.Conv2D(4, 1), "input", name="side")
    net.add(nn.Add(), "conv", "side")
    net.build((None, 3, 8, 8))
    assert [problem.x_shape for problem in net.problems()] == [(1, 3, 8, 8)] * 6


def test_a_network_can_be_tuned():
    net = nn.CNN([nn.Conv2D(4, 3), nn.ReLU(), nn.Flatten(), nn.Dense(2)], rng=0).build((None, 3, 8, 8))
    choices = fc.autotune(net, time_budget=5)
    assert [choice.problem for choice in choices] == net.problems()


def test_a_network_without_a_shape_is_refused():
    with pytest.raises(NotReadyError, match="input_shape"):
        nn.CNN([nn.Conv2D(4, 3)]).problems()
