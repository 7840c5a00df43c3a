import builtins
import copy
import mmap
import sys

import numpy as np
import pytest

from fastconv import diagnostics, models, nn
from fastconv.errors import InvalidArgumentError, MissingExtraError, NotReadyError
from fastconv.optim import SGD


def images(n=4, side=8, channels=1):
    return np.random.default_rng(0).standard_normal((n, channels, side, side)).astype(np.float32)


def small_net(**options):
    return models.advanced_cnn((None, 1, 8, 8), 3, rng=0, **options)


# -- trace_shapes ---------------------------------------------------------------------------------------------------------


def test_shape_traces_show_every_layer():
    net = models.resnet18((None, 3, 16, 16), 10, stem="cifar", rng=0)
    trace = diagnostics.trace_shapes(net, images(2, 16, 3))
    leaves = [layer.path for _, layer in net.layers_inside() if not layer.sublayers()]
    assert trace.error is None
    assert sorted(step.name for step in trace.steps[1:]) == sorted(leaves)
    assert trace.steps[0].shape == (2, 3, 16, 16) and trace.steps[-1].shape == (2, 10)


def test_shape_traces_end_where_a_layer_refuses_and_leave_the_network_unbuilt():
    net = nn.CNN([nn.Conv2D(4, 3), nn.ReLU(), nn.Dense(10), nn.Dense(3)])
    trace = diagnostics.trace_shapes(net, images())
    assert [step.shape for step in trace.steps] == [(4, 1, 8, 8), (4, 4, 6, 6), (4, 4, 6, 6), None]
    assert isinstance(trace.error, InvalidArgumentError) and "Flatten" in str(trace)
    assert not net.layers[0].built


# -- check_gradients ------------------------------------------------------------------------------------------------------


def test_gradient_reports_name_what_vanishes_and_explodes():
    net = nn.CNN([nn.Dense(4, 4, rng=0, name=name) for name in "abcd"])
    for layer, size in zip(net.layers, (1.0, 1e-9, 1e4, np.nan), strict=True):
        for parameter in layer.parameters():
            parameter.grad = np.full(parameter.shape, size, np.float32)
    report = diagnostics.check_gradients(net)
    assert (report.vanishing, report.exploding, report.ok) == (["b"], ["c", "d"], False)
    assert [row.verdict for row in report.rows] == ["ok", "vanishing", "exploding", "not finite"]
    assert report.rows[0].norm == pytest.approx(np.sqrt(20))
    for verdict in ("vanishing", "exploding", "not finite"):
        assert verdict in str(report)
    loose = diagnostics.check_gradients(net, vanishing=0, exploding=1e9)
    assert (loose.vanishing, loose.exploding) == ([], ["d"])


def test_gradient_norms_do_not_overflow():
    net = nn.CNN([nn.Dense(2, 2, rng=0)])
    for parameter in net.parameters():
        parameter.grad = np.full(parameter.shape, 1e30, np.float32)
    assert diagnostics.check_gradients(net).average_norm == pytest.approx(np.sqrt(6) * 1e30)


def test_deep_sigmoid_networks_vanish_and_relu_networks_do_not():
    x, y = images().reshape(4, -1), np.array([0, 1, 2, 0])
    for activation, vanishes in ((nn.Sigmoid, True), (nn.ReLU, False)):
        layers = [layer for _ in range(15) for layer in (nn.Dense(32), activation())]
        net = nn.CNN([*layers, nn.Dense(3)], rng=0)
        net.gradients(x, y)
        assert ("dense" in diagnostics.check_gradients(net).vanishing) == vanishes


def test_gradient_reports_need_gradients():
    with pytest.raises(NotReadyError, match="no gradients yet"):
        diagnostics.check_gradients(small_net())


# -- dead_relus -----------------------------------------------------------------------------------------------------------


def test_dead_units_are_found_behind_convolutions_and_in_blocks():
    net = nn.CNN(
        [nn.Conv2D(6, 3), nn.ReLU(), nn.MaxPool2D(2), nn.ResidualBlock(6), nn.Flatten(), nn.Dense(5), nn.ReLU6()], rng=0
    )
    x = images(7)
    net.build(x.shape)
    net.layers[0].parameters()[1].data = [0, -1e3, 0, 0, -1e3, 0]
    report = diagnostics.dead_relus(net, x, batch_size=3)
    rows = {row.name: row for row in report.rows}
    assert list(rows) == ["relu", "residualblock.main.relu1", "residualblock.relu2", "relu6"]
    assert rows["relu"].dead == (1, 4) and rows["relu"].units == 6
    hidden = np.maximum(net.layers[0].infer(x), 0)
    assert rows["relu"].sparsity == pytest.approx(np.mean(hidden == 0))
    assert report.total == sum(len(row.dead) for row in report.rows)
    assert "of 23 units" in str(report)


# -- overfit_single_batch -------------------------------------------------------------------------------------------------


def test_a_sound_network_learns_a_batch_by_heart_and_stays_as_it_is():
    net = small_net()
    before = net.state_dict()
    x, y = images(), np.array([0, 1, 2, 0])
    for optimizer in (None, SGD(lr=0.05, momentum=0.9), SGD(net.parameters(), lr=0.05, momentum=0.9)):
        result = diagnostics.overfit_single_batch(net, x, y, optimizer=optimizer)
        assert result and result.losses[-1] <= 0.05 * result.losses[0] and "loss falls" in str(result)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


class Stuck(nn.ReLU):
    def backward(self, gy):
        return 0 * super().backward(gy)


def test_a_broken_network_does_not():
    net = nn.CNN([nn.Flatten(), nn.Dense(16, rng=0), Stuck(), nn.Dense(16, rng=1), Stuck()])
    result = diagnostics.overfit_single_batch(net, images(), np.array([0, 1, 2, 0]), steps=20)
    assert not result and len(result.losses) == 20 and "DOES NOT FALL" in str(result)
    diverging = diagnostics.overfit_single_batch(small_net(), images(), np.array([0, 1, 2, 0]), optimizer=SGD(lr=1e20))
    assert not diverging


# -- profile --------------------------------------------------------------------------------------------------------------


def test_profiles_time_every_layer_that_runs():
    net = nn.CNN(
        [nn.Conv2D(4, 3, padding=1), nn.ReLU(), nn.MaxPool2D(2), nn.ResidualBlock(6), nn.Flatten(), nn.Dense(3)], rng=0
    )
    x = images()
    net.build(x.shape)
    before = net.state_dict()
    result = diagnostics.profile(net, x, seconds=0.05)
    inner = ["main.conv1", "main.bn1", "main.conv2", "projection.conv", "projection.bn", "bn2"]
    assert [row.name for row in result.rows] == [
        "conv2d",
        "maxpool2d",
        *(f"residualblock.{n}" for n in inner),
        "flatten",
        "dense",
    ]
    assert all(row.forward > 0 for row in result.rows) and all(row.backward > 0 for row in result.rows)
    assert result.rows[0].multiply_adds == 4 * 4 * 64 * 10
    assert result.forward == pytest.approx(sum(row.forward for row in result.rows)) and "GFLOP/s" in str(result)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    with pytest.raises(InvalidArgumentError, match="seconds"):
        diagnostics.profile(net, x, seconds=0)


def test_frozen_layers_have_no_backward_time():
    net = nn.CNN([nn.Dense(4, name="a"), nn.Dense(3, name="b")], rng=0).build((None, 5))
    net.layers[0].freeze()
    rows = {row.name: row for row in diagnostics.profile(net, np.ones((2, 5), np.float32), seconds=0.02).rows}
    assert rows["a"].backward == 0 < rows["b"].backward


def test_graphs_and_single_layers_have_profiles_too():
    net = nn.Graph(rng=0)
    net.add(nn.Dense(5), "input", name="dense")
    net.add(nn.Add(), "dense", "input", name="sum")
    result = diagnostics.profile(net, np.ones((2, 5), np.float32), seconds=0.02)
    assert [row.name for row in result.rows] == ["dense", "sum"] and result.backward > 0
    assert len(diagnostics.profile(nn.Tanh(), np.ones((2, 5), np.float32), seconds=0.02).rows) == 1


# -- memory ---------------------------------------------------------------------------------------------------------------


def test_memory_profiles_have_the_phases_of_a_step():
    pytest.importorskip("psutil")
    net, x, y = small_net(), images(), np.array([0, 1, 2, 0])
    assert [p.name for p in diagnostics.memory_profile(net, x, y).phases] == ["forward", "backward"]
    result = diagnostics.memory_profile(net, x, y, SGD(lr=0.1))
    assert [p.name for p in result.phases] == ["forward", "backward", "update"]
    assert all(p.peak >= max(p.before, p.after) > 0 for p in result.phases)
    assert result.peak == max(p.peak for p in result.phases)
    assert "update" in str(result) and all(p.grad is not None for p in net.parameters())


def test_memory_is_seen_to_grow_and_its_peak_is_caught():
    pytest.importorskip("psutil")
    size = 2**26

    def take():
        # Pages of the system's, not of the allocator's free lists.
        pages = mmap.mmap(-1, size)
        np.frombuffer(pages, np.uint8)[...] = 1
        return pages

    monitor = diagnostics.MemoryMonitor()
    with monitor.phase("kept"):
        kept = take()
    with monitor.phase("dropped"):
        for _ in range(20):
            take()
    first, second = monitor.profile.phases
    assert len(kept) == size and first.after - first.before > 0.9 * size
    assert second.peak - second.before > 0.9 * size > second.after - second.before


def test_without_psutil_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def refusing(name, *arguments, **options):
        if name == "psutil":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refusing)
    monkeypatch.delitem(sys.modules, "psutil", raising=False)
    with pytest.raises(MissingExtraError, match=r"fastconv\[profile\]"):
        diagnostics.MemoryMonitor()


# -- all ------------------------------------------------------------------------------------------------------------------


def test_an_observer_is_removed_even_if_a_layer_raises():
    net = small_net()
    with pytest.raises(InvalidArgumentError):
        diagnostics.dead_relus(net, np.ones((2, 5, 8, 8), np.float32))
    assert all(getattr(layer, "observer", None) is None for _, layer in net.layers_inside())


def test_results_print_and_copy():
    net, x, y = small_net(), images(), np.array([0, 1, 2, 0])
    net.gradients(x, y)
    for result in (
        diagnostics.check_gradients(net), diagnostics.dead_relus(net, x), diagnostics.trace_shapes(net, x),
        diagnostics.profile(net, x, seconds=0.01), diagnostics.overfit_single_batch(net, x, y, steps=3),
    ):  # fmt: skip
        text = str(copy.deepcopy(result))
        assert len(text.splitlines()) > 2 and all(line == line.rstrip() for line in text.splitlines())
        assert "<table>" in result._repr_html_()
