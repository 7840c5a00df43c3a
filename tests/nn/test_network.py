"""Networks: training steps, prediction, evaluation."""

import numpy as np
import pytest

import fastconv as fc
from fastconv import nn
from fastconv.problem import memory_format_of


def data(n=24, seed=0):
    """Images whose label is the brighter half."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 2, 6, 6)).astype(np.float32)
    labels = rng.integers(2, size=n)
    x[labels == 1, :, :, 3:] += 2
    x[labels == 0, :, :, :3] += 2
    return x, labels


def network(**options):
    layers = [nn.Conv2D(4, 3, padding=1), nn.BatchNormalization(), nn.ReLU(), nn.MaxPool2D(2, 2), nn.Flatten(), nn.Dropout(0.1)]
    return nn.CNN([*layers, nn.Dense(2)], rng=0, **options)


@pytest.mark.parametrize("memory_format", ["nchw", "channels_last"])
def test_training_lowers_the_loss_and_learns(memory_format):
    (x, y), net = data(), network(memory_format=memory_format)
    optimizer = fc.optim.SGD(lr=0.05, momentum=0.9)
    losses = [net.train_step(x, y, optimizer) for _ in range(30)]
    assert losses[-1] < 0.2 * losses[0]
    held_out = data(100, seed=1)
    assert net.evaluate(*held_out).accuracy > 0.95


def test_both_memory_formats_train_alike():
    x, y = data()
    nets = [network(memory_format=memory_format) for memory_format in ("nchw", "channels_last")]
    for net in nets:
        net.layers.pop(5)  # dropout draws in the order of memory
        net.astype(np.float64)
        optimizer = fc.optim.SGD(lr=0.05)
        for _ in range(5):
            net.train_step(x, y, optimizer)
    for p, q in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        np.testing.assert_allclose(p.array, q.array, rtol=0, atol=1e-10)


def test_a_step_is_repeatable_to_the_bit():
    def weights():
        (x, y), net, optimizer = data(), network(), fc.optim.Adam(1e-2)
        losses = [net.train_step(x, y, optimizer) for _ in range(4)]
        return losses, np.concatenate([p.array.ravel() for p in net.parameters()])

    (losses, first), (again, second) = weights(), weights()
    assert losses == again and np.array_equal(first, second)


def test_gradients_are_those_of_the_loss():
    (x, y), net = data(6), network().astype(np.float64).eval()
    net.layers[5] = nn.Dropout(0.0, dtype=np.float64, name="dropout")
    loss = net.gradients(x, y)
    assert net.training
    conv = net.layers[0].weight
    for index in ((0, 0, 0, 0), (3, 1, 2, 1)):
        values = []
        for step in (1e-6, -2e-6):
            conv.array[index] += step
            values.append(net.loss_fn.forward(net.forward(x), y))
        conv.array[index] += 1e-6
        assert conv.grad[index] == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-7)
    assert net.loss_fn.forward(net.forward(x), y) == pytest.approx(loss)


def test_another_loss_can_be_given():
    (x, _), net = data(), network(loss=nn.MSELoss())
    target = np.ones((len(x), 2), np.float32)
    expected = nn.L1Loss().forward(network().forward(x), target)
    assert net.gradients(x, target, nn.L1Loss()) == pytest.approx(expected)
    assert isinstance(net.loss_fn, nn.MSELoss)


@pytest.mark.parametrize("batch_size", [1, 5, 24, 100])
def test_prediction_does_not_depend_on_the_batch_size(batch_size):
    (x, y), net = data(), network()
    net.forward(x)
    whole = net.predict(x)
    assert net.training and whole.shape == (24, 2)
    np.testing.assert_allclose(net.predict(x, batch_size), whole, rtol=0, atol=1e-5)
    loss, accuracy = net.evaluate(x, y, batch_size)
    assert loss == pytest.approx(net.loss_fn.forward(whole, y), abs=1e-5)
    assert accuracy == (whole.argmax(axis=1) == y).mean()
    one_hot = np.eye(2, dtype=np.float32)[y]
    assert net.evaluate(x, one_hot, batch_size) == pytest.approx((loss, accuracy))


def test_no_samples():
    (x, y), net = data(), network()
    assert net.predict(x[:0]).shape == (0, 2)
    with pytest.raises(fc.InvalidArgumentError, match=r"^x, y: got 0 samples"):
        net.evaluate(x[:0], y[:0])
    with pytest.raises(fc.InvalidArgumentError, match=r"^x, y: got 24 samples and 3 targets"):
        net.evaluate(x, y[:3])
    with pytest.raises(fc.InvalidArgumentError, match=r"^batch_size: got 0"):
        net.predict(x, 0)


@pytest.mark.parametrize("memory_format", ["nchw", "channels_last"])
def test_images_are_converted_once_at_the_entry(memory_format):
    net = nn.CNN([nn.ReLU(), nn.MaxPool2D(2)], memory_format=memory_format)
    x = np.ones((2, 3, 4, 4))
    for array in (x, in_nhwc(x), x[:, ::-1], x.astype(np.float32), x.tolist()):
        entered = net.as_input(array)
        assert entered.dtype == np.float32 and memory_format_of(entered) == ("nchw" if memory_format == "nchw" else "nhwc")
    entered = net.as_input(x)
    assert np.shares_memory(net.as_input(entered), entered)


def in_nhwc(x):
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.complex64, bool])
def test_what_is_not_floating_point_is_refused(dtype):
    with pytest.raises(fc.InvalidTypeError, match=r"^x: dtype .*expected floating point"):
        network().forward(np.ones((1, 2, 6, 6), dtype))


def test_arguments_are_checked():
    with pytest.raises(fc.InvalidArgumentError, match=r"^memory_format: got 'nhwc', expected one of channels_last, nchw"):
        nn.CNN(memory_format="nhwc")
    with pytest.raises(fc.InvalidTypeError, match=r"^dtype: got float16"):
        nn.CNN(dtype=np.float16)


def test_states_that_do_not_fit_change_nothing():
    net = network().build((1, 2, 6, 6))
    state = net.state_dict()
    for change in (lambda s: s.pop("dense.bias"), lambda s: s.update(more=np.ones(1)), lambda s: s.update({"dense.bias": 1.0})):
        broken = {name: value + 1 for name, value in state.items()}
        change(broken)
        with pytest.raises(fc.InvalidArgumentError, match=r"^state: "):
            net.load_state_dict(broken)
        assert all(np.array_equal(value, state[name]) for name, value in net.state_dict().items())


def test_frozen_networks_train_what_is_left():
    (x, y), net, optimizer = data(), network(), fc.optim.SGD(lr=0.1)
    net.build(x.shape)
    net.layers[0].freeze()
    before = net.state_dict()
    net.train_step(x, y, optimizer)
    after = net.state_dict()
    changed = {p.name for p in net.parameters() if not np.array_equal(before[p.name], after[p.name])}
    assert changed == {"batchnormalization.gamma", "batchnormalization.beta", "dense.weight", "dense.bias"}
    net.layers[0].unfreeze()
    net.train_step(x, y, optimizer)
    assert not np.array_equal(net.state_dict()["conv2d.weight"], before["conv2d.weight"])
