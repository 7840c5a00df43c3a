"""Parameters: their data, and how layers notice that it changed."""

import numpy as np
import pytest

import fastconv as fc
from fastconv import nn


def parameter():
    return nn.Parameter(np.arange(6, dtype=np.float32).reshape(2, 3), "weight")


def test_data_is_replaced_in_place():
    p = parameter()
    array = p.array
    p.data = np.ones((2, 3))
    assert p.array is array and (array == 1).all() and p.dtype == np.float32
    p.data += 1
    assert p.array is array and (array == 2).all()


@pytest.mark.parametrize("value", [np.ones(6), np.ones((3, 2)), 1.0])
def test_data_keeps_its_shape(value):
    p = parameter()
    with pytest.raises(fc.InvalidArgumentError, match=r"^weight: got shape .*expected \(2, 3\)"):
        p.data = value
    assert p.array[1, 2] == 5


def test_every_access_from_outside_counts_as_a_change():
    p = parameter()
    stamp = p.stamp()
    assert p.stamp() == stamp
    assert p.data is p.array
    assert p.stamp() != stamp


def test_a_change_all_over_by_a_kept_reference_is_noticed():
    p = nn.Parameter(np.zeros(10_000, np.float32), "weight")
    kept, stamp = p.data, p.stamp()
    assert kept is p.array
    stamp = p.stamp()
    kept += 1
    assert p.stamp() != stamp


def test_converting_drops_the_gradient():
    p = parameter()
    p.grad = np.ones((2, 3), np.float32)
    p.astype(np.float64)
    assert p.dtype == np.float64 and p.grad is None and p.array[1, 2] == 5


def test_repr_and_sizes():
    p = parameter()
    assert repr(p) == "<Parameter weight (2, 3) float32>" and p.shape == (2, 3) and p.size == 6


@pytest.mark.parametrize(
    "change",
    [
        lambda p: setattr(p, "data", p.array * 2),
        lambda p: p.data.__imul__(2),
        lambda p: p.data.__setitem__((0, 0), 9),
    ],
    ids=["assigned", "in place", "one element"],
)
@pytest.mark.parametrize("make", [lambda: nn.Conv2D(3, 3, in_channels=2, rng=0), lambda: nn.Dense(3, 2, rng=0)])
def test_inference_follows_changed_parameters(make, change):
    layer = make()
    x = np.ones((1, 2, 5, 5) if isinstance(layer, nn.Conv2D) else (1, 2), np.float32)
    before = layer.infer(x).copy()
    change(layer.parameters()[0])
    assert not np.array_equal(layer.infer(x), before)
    np.testing.assert_allclose(layer.infer(x), layer.forward(x), rtol=0, atol=1e-5)
