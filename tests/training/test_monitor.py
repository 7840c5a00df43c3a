import numpy as np
import pytest

from fastconv import nn, optim, training


def run(monitor, callbacks=(), **options):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((32, 2, 6, 6)).astype(np.float32), rng.integers(0, 3, 32)
    network = nn.CNN([nn.Conv2D(4, 3), nn.BatchNormalization(), nn.ReLU(), nn.Flatten(), nn.Dense(3)], rng=0)
    training.fit(
        network, x, y, optimizer=optim.SGD(lr=0.1, momentum=0.9), batch_size=8, epochs=2, callbacks=[*callbacks, monitor],
        rng=0, verbose=False, **options,
    )  # fmt: skip
    return network, x, y


class Reference(training.Callback):
    """The same quantities written out in float64, from a pass of its own before each step."""

    def __init__(self):
        self.found = []

    def on_step_begin(self, training):
        x, found = training.batch[0], {}
        network = training.network
        buffers = {name: value.copy() for name, value in network.buffers().items()}
        for layer in network.layers:
            x = layer.forward(x)
            values = x.astype(np.float64)
            found[layer.path] = values.mean(), values.std(), (values == 0).mean()
        for name, value in network.buffers().items():
            value[...] = buffers[name]
        self.found.append([found])

    def on_gradients(self, training):
        parameters = training.network.parameters()
        self.found[-1].append({p.name: np.sqrt((p.grad.astype(np.float64) ** 2).sum()) for p in parameters})
        self.before = {p.name: p.array.astype(np.float64) for p in parameters}

    def on_step_end(self, training):
        weights = {}
        for p in training.network.parameters():
            w, old = p.array.astype(np.float64), self.before[p.name]
            size = np.sqrt((old**2).sum())
            ratio = np.sqrt(((w - old) ** 2).sum()) / size if size else np.nan
            weights[p.name] = w.mean(), w.std(), w.min(), w.max(), ratio
        self.found[-1].append(weights)


def test_the_quantities_are_what_they_are_called():
    monitor, reference = training.Monitor(every=3), Reference()
    run(monitor, [reference])
    assert monitor.scalars["step"] == [1, 4, 7]
    for place, (activations, gradients, weights) in enumerate(reference.found[::3]):
        assert monitor.activations.keys() == activations.keys() and monitor.weights.keys() == weights.keys()
        for name, expected in activations.items():
            got = [monitor.activations[name][kind][place] for kind in ("mean", "std", "sparsity")]
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6, err_msg=name)
        for name, expected in gradients.items():
            assert monitor.gradients[name][place] == pytest.approx(expected, rel=1e-5), name
        for name, expected in weights.items():
            got = [monitor.weights[name][kind][place] for kind in ("mean", "std", "min", "max", "update_ratio")]
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6, err_msg=name)
        total = np.sqrt(sum(norm**2 for norm in gradients.values()))
        assert monitor.scalars["grad_norm"][place] == pytest.approx(total, rel=1e-5)
    assert 0.2 < monitor.activations["relu"]["sparsity"][0] < 0.8


def test_watching_changes_no_number_of_float64_training_to_speak_of():
    watched, plain = run(training.Monitor(every=1))[0], run(training.ProgressBar())[0]
    for a, b in zip(watched.parameters(), plain.parameters(), strict=True):
        np.testing.assert_allclose(a.array, b.array, rtol=1e-4, atol=1e-5)


def test_the_norm_before_clipping_is_recorded_and_nothing_is_observed_between_looks():
    monitor = training.Monitor(every=2, weights=False)
    network, _, _ = run(monitor, clip_norm=1e-3)
    assert (
        min(monitor.scalars["grad_norm"]) > 1e-3
        and max(sum(v**2 for v in column) for column in monitor.gradients.values()) < 1e-5
    )
    assert network.observer is None and monitor.weights == {}
    assert len(monitor.scalars["step"]) == 4 == len(monitor.activations["dense"]["std"])


def test_it_is_saved_loaded_and_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    monitor = training.Monitor(every=2)
    run(monitor)
    monitor.save(tmp_path / "m.json")
    loaded = training.Monitor.load(tmp_path / "m.json")
    assert repr(loaded.to_dict()) == repr(monitor.to_dict()) and loaded.every == 2
    figure = loaded.plot(tmp_path / "m.svg")
    titles = {axes.get_title() for axes in figure.axes}
    assert {"loss", "lr", "grad_norm", "gradient norm of each parameter"} <= titles
    assert {f"activations: {name}" for name in ("mean", "std", "sparsity")} <= titles
    assert {f"weights: {name}" for name in ("mean", "std", "min", "max", "update_ratio")} <= titles
    assert (tmp_path / "m.svg").stat().st_size > 1000
