"""Random layers: what they draw, and how their state is kept."""

import json

import numpy as np
import pytest

import fastconv as fc
from fastconv import nn
from nn.cases import in_format

RATES = (0.0, 0.1, 0.25, 0.3, 0.5, 0.75, 0.9, 1.0)
GENERATORS = (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64)


@pytest.mark.parametrize("kind", [nn.Dropout, nn.SpatialDropout])
@pytest.mark.parametrize("rate", RATES)
def test_as_many_become_zero_as_the_rate_says_and_the_mean_stays(kind, rate):
    x = np.ones((40, 1000, 1, 1), np.float32)
    y = kind(rate, rng=0).forward(x)
    count = x.size
    # Five standard deviations.
    assert abs((y == 0).mean() - rate) <= 5 * np.sqrt(rate * (1 - rate) / count) + 2**-16
    kept = np.unique(y[y != 0])
    assert len(kept) == (rate < 1) and np.allclose(kept, 1 / max(1 - rate, 2**-16), rtol=1e-4)


@pytest.mark.parametrize("rate", [0.3, 0.5])
def test_values_are_dropped_independently(rate):
    dropped = nn.Dropout(rate, rng=0).forward(np.ones((200, 200), np.float64)) == 0
    for axis in (0, 1):
        both = (dropped & np.roll(dropped, 1, axis)).mean()
        assert abs(both - rate**2) <= 5 * np.sqrt(rate**2 / dropped.size)


def test_spatial_dropout_drops_whole_channels():
    y = nn.SpatialDropout(0.5, rng=0).forward(np.ones((8, 16, 3, 4), np.float32))
    assert (y == y[:, :, :1, :1]).all() and set(np.unique(y)) == {0, 2}


@pytest.mark.parametrize("kind", [nn.Dropout, nn.SpatialDropout])
@pytest.mark.parametrize("memory_format", ["nchw", "channels_last"])
def test_the_gradient_passes_where_the_value_did(kind, memory_format):
    x = in_format(np.random.default_rng(1).uniform(1, 2, (3, 5, 4, 3)), memory_format)
    layer = kind(0.4, rng=0, dtype=np.float64)
    y = layer.forward(x)
    np.testing.assert_allclose(layer.backward(x), y, rtol=0, atol=0)


def test_evaluation_changes_nothing_and_draws_nothing():
    layer, x = nn.Dropout(0.5, rng=0), np.ones((2, 3), np.float32)
    before = layer.random_states()
    assert layer.infer(x) is x and layer.eval().forward(x) is x and layer.backward(x) is x
    assert layer.random_states() == before


@pytest.mark.parametrize("rate", [-0.1, 1.5, np.nan])
def test_what_is_no_probability_is_refused(rate):
    with pytest.raises(fc.InvalidArgumentError, match=r"^rate: "):
        nn.Dropout(rate)


def network(rng=None):
    layers = [nn.Dense(8), nn.Dropout(0.5), nn.Sequential([nn.Dropout(0.3, rng=5)], name="inner"), nn.Dense(2)]
    return nn.CNN(layers, rng=rng)


@pytest.mark.parametrize("bits", GENERATORS)
def test_states_resume_exactly_through_json(bits):
    layer, x = nn.Dropout(0.5, rng=np.random.Generator(bits(3))), np.ones((3, 7), np.float32)
    layer.forward(x)
    states = json.loads(json.dumps(layer.random_states()))
    expected = [layer.forward(x) for _ in range(3)]
    other = nn.Dropout(0.5)
    other.load_random_states(states)
    assert all(np.array_equal(other.forward(x), y) for y in expected)


def test_states_of_a_network_are_by_path():
    net, x = network(rng=0), np.ones((4, 6), np.float32)
    assert net.random_states()["dropout"] is None
    net.forward(x)
    states = net.random_states()
    assert set(states) == {"dropout", "inner.dropout"}
    expected, twin = net.forward(x), network(rng=1).build(x.shape)
    twin.load_state_dict(net.state_dict())
    twin.load_random_states(states)
    assert np.array_equal(twin.forward(x), expected)


def test_random_layers_of_a_network_draw_different_numbers():
    net = nn.Sequential([nn.Dropout(0.5), nn.Dropout(0.5)], rng=0).build((1, 64))
    first, second = (layer.forward(np.ones((1, 64), np.float32)) for layer in net.layers)
    assert not np.array_equal(first, second)
    again = nn.Sequential([nn.Dropout(0.5), nn.Dropout(0.5)], rng=0).build((1, 64))
    assert np.array_equal(again.layers[0].forward(np.ones((1, 64), np.float32)), first)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("dropout"), r"missing \['dropout'\]"),
        (lambda s: s.update(other=None), r"unknown \['other'\]"),
        (lambda s: s.update(dropout={}), "dropout: no state"),
        (lambda s: s.update(dropout={"bit_generator": "os"}), "dropout: no state"),
        (lambda s: s.update(dropout={"bit_generator": "PCG64", "state": 3}), "dropout: no state"),
        (lambda s: s.update(dropout=7), "dropout: no state"),
    ],
)
def test_states_that_do_not_fit_are_refused_and_change_nothing(change, message):
    net = network(rng=0).build((1, 6))
    states = net.random_states()
    change(broken := dict(states))
    with pytest.raises(fc.InvalidArgumentError, match=rf"^states: .*{message}"):
        net.load_random_states(broken)
    assert net.random_states() == states
