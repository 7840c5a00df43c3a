import copy

import numpy as np
import pytest

from fastconv import nn
from fastconv.diagnostics import gradient_check
from fastconv.errors import InvalidArgumentError
from fastconv.functional import to_memory_format


def sample(shape=(2, 3, 6, 5), memory_format="nchw"):
    x = np.random.default_rng(0).standard_normal(shape)
    return to_memory_format(x, memory_format) if x.ndim == 4 else x


class WrongInputGradient(nn.Conv2D):
    def backward(self, gy, input_grad=True):
        return 1.001 * super().backward(gy)


class WrongElement(nn.Conv2D):
    """Wrong in a single element, which samples alone would miss."""

    def backward(self, gy, input_grad=True):
        dx = super().backward(gy)
        dx[0, 0, 0, 0] += 0.1
        return dx


class WrongBiasGradient(nn.Conv2D):
    def backward(self, gy, input_grad=True):
        dx = super().backward(gy)
        self._parameters["bias"].grad = self._parameters["bias"].grad * 1.01
        return dx


class NoBiasGradient(nn.Conv2D):
    def backward(self, gy, input_grad=True):
        dx = super().backward(gy)
        self._parameters["bias"].grad = None
        return dx


class NotANumber(nn.Conv2D):
    def backward(self, gy, input_grad=True):
        return super().backward(gy) * np.nan


BROKEN = [
    (WrongInputGradient, "input", {}),
    (WrongElement, "input", {"samples": 1}),
    (WrongBiasGradient, "bias", {}),
    (NotANumber, "input", {}),
]


@pytest.mark.parametrize("memory_format", ["nchw", "channels_last"])
@pytest.mark.parametrize(("kind", "name", "options"), BROKEN, ids=[kind.__name__ for kind, *_ in BROKEN])
def test_broken_layers_fail_and_the_array_is_named(kind, name, options, memory_format):
    check = gradient_check(kind(4, 3, rng=0), sample(memory_format=memory_format), **options)
    assert not check and not check.ok
    wrong = [row.name for row in check.rows if not row.relative <= check.tolerance]
    assert wrong == [name]
    assert "FAILED" in str(check) and "DIFFERS" in str(check)


@pytest.mark.parametrize("memory_format", ["nchw", "channels_last"])
@pytest.mark.parametrize("samples", [None, 7])
def test_right_layers_pass_and_everything_is_compared(memory_format, samples):
    check = gradient_check(nn.Conv2D(4, 3, rng=0), sample(memory_format=memory_format), samples=samples)
    assert check and "passed" in str(check)
    assert [row.name for row in check.rows] == ["input", "weight", "bias"]
    assert [row.size for row in check.rows] == [180, 108, 4]
    assert [row.compared for row in check.rows] == [samples or 180, samples or 108, 4]


def test_a_missing_gradient_is_an_error():
    with pytest.raises(InvalidArgumentError, match="bias: backward gives no gradient, expected shape"):
        gradient_check(NoBiasGradient(4, 3, rng=0), sample())


def test_a_bias_before_batch_normalisation_has_no_gradient_and_passes():
    net = nn.CNN([nn.Conv2D(4, 3), nn.BatchNormalization(), nn.ReLU(), nn.MaxPool2D(2)], rng=0)
    assert gradient_check(net, sample())


def test_dropout_is_the_same_in_every_run():
    assert gradient_check(nn.CNN([nn.Dense(8), nn.Dropout(0.5), nn.Dense(3)], rng=0), sample((4, 5)))


def test_layers_with_several_inputs():
    xs = sample(), sample()
    for layer in (nn.Add(), nn.Concat()):
        check = gradient_check(layer, xs)
        assert check and [row.name for row in check.rows] == ["input 0", "input 1"]


def test_the_layer_is_left_alone():
    net = nn.CNN([nn.Conv2D(4, 3), nn.BatchNormalization()], rng=0).build((None, 3, 6, 5))
    before = copy.deepcopy(net.state_dict())
    x = sample()
    kept = x.copy()
    gradient_check(net, x)
    np.testing.assert_array_equal(x, kept)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert net.dtype == np.float32 and all(p.grad is None for p in net.parameters())


def test_frozen_parameters_are_not_compared():
    layer = nn.Dense(3, 5, rng=0)
    layer.parameters()[0].trainable = False
    assert [row.name for row in gradient_check(layer, sample((4, 5))).rows] == ["input", "bias"]


@pytest.mark.parametrize("option", ["eps", "tolerance"])
@pytest.mark.parametrize("value", [0, -1.0, float("nan")])
def test_what_cannot_be_is_refused(option, value):
    with pytest.raises(InvalidArgumentError, match=option):
        gradient_check(nn.Dense(3), sample((4, 5)), **{option: value})
