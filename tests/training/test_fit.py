import csv
import json
import logging
import math
import warnings

import numpy as np
import pytest

import fastconv as fc
from fastconv import data, nn, optim, training
from fastconv.errors import InvalidArgumentError, InvalidTypeError


def samples(n=40, rng=0):
    rng = np.random.default_rng(rng)
    y = rng.integers(0, 2, n)
    return (rng.standard_normal((n, 1, 6, 6)) + 2 * y.reshape(-1, 1, 1, 1)).astype(np.float32), y


def small(rng=0, dropout=0.0):
    layers = [nn.Conv2D(4, 3, name="conv"), nn.ReLU(), nn.Flatten(), nn.Dropout(dropout), nn.Dense(2, name="head")]
    return nn.CNN(layers, rng=rng)


def fit(network=None, *, n=40, **options):
    x, y = samples(n)
    options = {"optimizer": optim.SGD(lr=0.1), "rng": 0, "verbose": False, **options}
    return training.fit(network or small(), x, y, **options)


def weights(network):
    return [parameter.array.copy() for parameter in network.parameters()]


def same(a, b):
    return all(np.array_equal(v, w) for v, w in zip(a, b, strict=True))


def test_a_network_learns_and_the_history_tells():
    network = small()
    history = fit(network, epochs=6, batch_size=8, validation_data=samples(30, rng=1))
    assert history["loss"][-1] < history["loss"][0] and history["val_accuracy"][-1] > 0.9
    assert len(history) == 6 and history["epoch"] == list(range(6))
    assert len(history.steps["loss"]) == 6 * 5 and history.steps["samples"] == [8] * 30
    assert all(seconds > 0 for seconds in history["seconds"])
    evaluation = network.evaluate(*samples(30, rng=1))
    assert history["val_loss"][-1] == pytest.approx(evaluation.loss, rel=1e-6)
    assert history["val_accuracy"][-1] == evaluation.accuracy


def test_network_fit_is_training_fit():
    x, y = samples()
    first, second = small(), small()
    first.fit(x, y, optimizer=optim.SGD(lr=0.1), rng=0, verbose=False)
    fit(second)
    assert same(weights(first), weights(second))


def test_the_loop_is_the_steps_one_after_the_other():
    """Against the steps written out, with float64 sums of the losses."""
    x, y = samples(20)
    whole, parts = small(), small()
    history = fit(whole, n=20, shuffle=False, batch_size=8, epochs=2)
    optimizer = optim.SGD(lr=0.1)
    results = [training.train_step(parts, x[i : i + 8], y[i : i + 8], optimizer) for _ in range(2) for i in (0, 8, 16)]
    assert same(weights(whole), weights(parts))
    assert history.steps["loss"] == [result.loss for result in results]
    sizes = np.array([8, 8, 4])
    for epoch, name in enumerate(["loss", "accuracy"] * 2):
        values = np.array([getattr(result, name) for result in results[epoch // 2 * 3 :][:3]])
        assert history[name][epoch // 2] == pytest.approx((values * sizes).sum() / 20, rel=1e-12)


def test_everything_random_follows_from_rng():
    def run(rng, network_rng=None):
        network = small(network_rng, dropout=0.5)
        history = fit(network, rng=rng, epochs=2, validation_split=0.2, transform=[data.RandomRotation(20)])
        return [*weights(network), np.array(history["val_loss"])]

    assert same(run(3), run(3)) and same(run(np.random.default_rng(3)), run(np.random.default_rng(3)))
    assert not same(run(3), run(4))


@pytest.mark.parametrize("workers", [0, 2])
def test_arrays_dataset_and_loader_train_alike(workers):
    x, y = samples()
    networks = [small() for _ in range(3)]
    options = {"optimizer": None, "rng": 0, "verbose": False, "epochs": 2}
    for network, given in zip(networks, [(x, y), (data.Dataset(x, y),)], strict=False):
        training.fit(network, *given, **{**options, "optimizer": optim.SGD(lr=0.1), "workers": workers, "shuffle": False})
    loader = data.DataLoader((x, y), batch_size=32, workers=workers)
    training.fit(networks[2], loader, **{**options, "optimizer": optim.SGD(lr=0.1)})
    assert same(weights(networks[0]), weights(networks[1])) and same(weights(networks[0]), weights(networks[2]))


def test_images_of_bytes_are_scaled():
    x = np.random.default_rng(0).integers(0, 256, (16, 1, 6, 6), dtype=np.uint8)
    networks = small(), small()
    for network, images in zip(networks, (x, x / np.float32(255)), strict=True):
        network.fit(images, np.arange(16) % 2, optimizer=optim.SGD(lr=0.1), rng=0, verbose=False)
    assert same(*map(weights, networks))


def test_a_float64_network_gets_float64_batches():
    x, y = samples()
    network = nn.CNN([nn.Flatten(dtype="float64"), nn.Dense(2, dtype="float64")], dtype="float64", rng=0)
    history = network.fit(x.astype(np.float64), y, optimizer=optim.Adam(0.01), rng=0, verbose=False)
    assert network.parameters()[0].dtype == np.float64 and math.isfinite(history["loss"][0])


def test_soft_labels_and_regression_have_the_accuracy_that_makes_sense():
    x, y = samples()
    soft = fit(transform=[data.Mixup(0.4, num_classes=2)])
    assert 0 <= soft["accuracy"][0] <= 1
    network = nn.CNN([nn.Flatten(), nn.Dense(1)], loss=nn.losses.MSELoss(), rng=0)
    history = network.fit(x, y[:, None].astype(np.float32), optimizer=optim.SGD(lr=0.001), rng=0, verbose=False)
    assert math.isnan(history["accuracy"][0]) and math.isfinite(history["loss"][0])


def test_a_loss_of_its_own_is_used_in_training_and_validation():
    x, y = samples()
    loss = nn.losses.CrossEntropyLoss(label_smoothing=0.5)
    network = small()
    history = fit(network, loss=loss, validation_data=(x, y))
    assert history["val_loss"][0] == pytest.approx(loss.forward(network.predict(x), y), rel=1e-6)
    assert history["val_loss"][0] != pytest.approx(network.evaluate(x, y).loss, rel=1e-3)


def test_ignored_labels_do_not_count_in_the_accuracy():
    x, y = samples()
    loss = nn.losses.CrossEntropyLoss(ignore_index=-1)
    network = small().build((None, 1, 6, 6))
    labels = np.where(np.arange(len(y)) < 10, network.predict(x).argmax(axis=1), -1)
    assert training.evaluate(network, [(x, labels)], loss).accuracy == 1.0


def test_clipping_records_and_limits_the_norm():
    norms = []

    class Norms(training.Callback):
        def on_gradients(self, training):
            norms.append(optim.global_norm(training.network.parameters()))

    history = fit(clip_norm=0.01, batch_size=8, callbacks=[Norms()])
    assert max(history.steps["grad_norm"]) > 0.01 and max(norms) <= 0.01 * (1 + 1e-5)
    x, y = samples()
    assert training.train_step(small(), x, y, optim.SGD(lr=0.1), clip_norm=0.01).grad_norm > 0.01


@pytest.mark.parametrize(
    "schedule, rates",
    [
        (lambda: optim.StepLR(step_size=1, gamma=0.5), [0.1] * 5 + [0.05] * 5),
        (lambda: training.LearningRateScheduler(optim.StepLR(step_size=5, gamma=0.5), every="step"), [0.1] * 5 + [0.05] * 5),
        (lambda: optim.OneCycle(max_lr=1.0, total_steps=10, div_factor=10, final_div_factor=10),
         [optim.OneCycle(max_lr=1.0, total_steps=10, div_factor=10, final_div_factor=10).at(i) for i in range(10)]),
        (lambda: optim.ReduceOnPlateau(patience=0, factor=0.5, threshold=10.0, threshold_mode="abs"), [0.1] * 5 + [0.1] * 5),
        (lambda: optim.FunctionLR(function=lambda epoch: 0.3 / (1 + epoch)), [0.3] * 5 + [0.15] * 5),
    ],
    ids=["by epoch", "by step", "one cycle", "plateau", "function"],
)  # fmt: skip
def test_schedules_set_the_rate_of_each_step(schedule, rates):
    history = fit(schedule=schedule(), epochs=2, batch_size=8)
    assert history.steps["lr"] == pytest.approx(rates)
    assert history["lr"] == [history.steps["lr"][4], history.steps["lr"][9]]


def test_a_plateau_of_the_metric_reduces_the_rate():
    schedule = optim.ReduceOnPlateau(patience=0, factor=0.5, threshold=10.0, threshold_mode="abs")
    scheduler = training.LearningRateScheduler(schedule, monitor="val_accuracy")
    history = fit(schedule=scheduler, epochs=4, validation_data=samples(20, rng=1))
    assert history["lr"] == [0.1, 0.1, 0.05, 0.025]


def test_early_stopping_stops_and_restores_the_best_epoch():
    class Measures(training.Callback):
        """Validation losses as they are wanted, best in the second epoch."""

        def on_epoch_end(self, training):
            training.record["val_loss"] = [3.0, 2.0, 2.5, 2.0, 1.0][training.epoch]
            if training.epoch == 1:
                kept.extend(weights(training.network))

    kept = []
    network = small()
    stopping = training.EarlyStopping(patience=1, restore_best=True)
    history = fit(network, epochs=20, callbacks=[Measures(), stopping], validation_data=samples(30, rng=1))
    assert len(history) == 4 and stopping.best_epoch == 1 and stopping.best == 2.0
    assert same(weights(network), kept)


def test_a_callback_can_stop_in_the_middle_of_an_epoch():
    class Stops(training.Callback):
        def on_step_end(self, training):
            if training.step == 7:
                training.stop("seven are enough")

    history = fit(epochs=3, batch_size=8, callbacks=[Stops()])
    assert len(history.steps["loss"]) == 7 and len(history) == 1


def test_callbacks_are_called_in_order_and_told_of_the_end():
    calls = []

    class Recorder(training.Callback):
        def __init__(self, name, last=False):
            self.name, self.last = name, last

    for event in [name for name in vars(training.Callback) if name.startswith("on_")]:
        setattr(Recorder, event, lambda self, training, event=event: calls.append((event[3:], self.name)))
    fit(epochs=1, n=8, callbacks=[Recorder("z", last=True), Recorder("a"), Recorder("b")])
    events = ["train_begin", "epoch_begin", "step_begin", "gradients", "step_end", "epoch_end", "train_end"]
    assert calls == [(event, name) for event in events for name in "abz"]


def test_an_exception_ends_training_and_is_raised():
    ended = []

    class Fails(training.Callback):
        def on_step_end(self, training):
            raise RuntimeError("as planned")

        def on_train_end(self, training):
            ended.append(training.failed)

    with pytest.raises(RuntimeError, match="as planned"):
        fit(callbacks=[Fails()])
    assert ended == [True]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_stops_before_it_spoils_the_parameters(bad):
    x, y = samples(40)
    x[35] = bad
    network = small()
    with pytest.warns(RuntimeWarning, match=r"in epoch 1, step 5 of 5 .*learning rate 0\.1"), np.errstate(all="ignore"):
        history = training.fit(network, x, y, optimizer=optim.SGD(lr=0.1), batch_size=8, shuffle=False, epochs=3, verbose=False)
    assert all(np.isfinite(value).all() for value in weights(network))
    assert len(history) == 0 and len(history.steps["loss"]) == 5 and not math.isfinite(history.steps["loss"][-1])


def test_layers_are_unfrozen_by_epoch():
    seen = []

    class Watches(training.Callback):
        def on_step_end(self, training):
            seen.append({parameter.name for parameter in training.network.parameters() if parameter.trainable})

    head, conv = {"head.weight", "head.bias"}, {"conv.weight", "conv.bias"}
    fit(epochs=4, callbacks=[training.GradualUnfreezing({1: "head", 3: ["conv"]}), Watches()])
    fit(epochs=2, callbacks=[training.GradualUnfreezing({0: "head", 1: "conv"}, only=True), Watches()])
    assert seen == [*[set()] * 2, *[head] * 4, *[head | conv] * 2, *[head] * 2, *[conv] * 2]


def test_frozen_layers_do_not_change():
    network = small().build((None, 1, 6, 6))
    before = weights(network)
    fit(network, epochs=3, callbacks=[training.GradualUnfreezing({0: "head"})])
    changed = [not np.array_equal(a, b) for a, b in zip(before, weights(network), strict=True)]
    assert changed == [False, False, True, True]


def test_the_csv_file_is_the_history(tmp_path):
    path, steps = tmp_path / "log.csv", tmp_path / "steps.csv"
    loggers = [training.CSVLogger(path), training.CSVLogger(steps, every="step")]
    history = fit(epochs=3, callbacks=loggers, validation_data=samples(20, rng=1))
    for file, columns in ((path, history.epochs), (steps, history.steps)):
        with open(file, newline="") as opened:
            rows = list(csv.reader(opened))
        assert rows[0] == list(columns)
        assert [list(map(float, row)) for row in rows[1:]] == [list(row) for row in zip(*columns.values(), strict=True)]


def test_a_resumed_csv_file_has_every_epoch_once(tmp_path):
    path, checkpoint = tmp_path / "log.csv", tmp_path / "c.npz"
    fit(epochs=2, callbacks=[training.CSVLogger(path), training.Checkpoint(checkpoint)])
    path.write_text(path.read_text() + "9,9,9,9,9\n")
    fit(epochs=4, callbacks=[training.CSVLogger(path), training.Checkpoint(checkpoint, resume=True)])
    with open(path, newline="") as opened:
        assert [row["epoch"] for row in csv.DictReader(opened)] == ["0", "1", "2", "3"]


def test_tensorboard_gets_the_records(tmp_path):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    history = fit(epochs=2, batch_size=8, callbacks=[training.TensorBoardLogger(tmp_path, every_steps=5, histograms=True)])
    (path,) = tmp_path.iterdir()
    values, content = {}, path.read_bytes()
    # TFRecord: length in 8 bytes, its checksum in 4, the record, its checksum in 4.
    while content:
        length = int.from_bytes(content[:8], "little")
        event = Event.FromString(content[12 : 12 + length])
        values |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
        content = content[16 + length :]
    for epoch in range(2):
        assert values["epoch/loss", 5 * (epoch + 1)] == pytest.approx(history["loss"][epoch], rel=1e-6)
        assert values["step/loss", 5 * (epoch + 1)] == pytest.approx(history.steps["loss"][5 * epoch + 4], rel=1e-6)
    assert ("head.weight", 10) in values


@pytest.mark.parametrize("always", [True, False])
def test_progress_goes_to_standard_error_and_only_to_terminals(capsys, always):
    fit(epochs=2, verbose=True, callbacks=[training.ProgressBar(always=True)] if always else [])
    out, err = capsys.readouterr()
    assert out == "" and (("epoch 2/2" in err and "loss=" in err) if always else err == "")


@pytest.mark.parametrize(
    "error, match, options",
    [
        (InvalidTypeError, "network", {"network": nn.Dense(2)}),
        (InvalidTypeError, "optimizer", {"optimizer": "adam"}),
        (InvalidTypeError, "callbacks", {"callbacks": [print]}),
        (InvalidTypeError, "schedule", {"schedule": 0.1}),
        (InvalidTypeError, "validation_data", {"validation_data": 3}),
        (InvalidArgumentError, "epochs", {"epochs": -1}),
        (InvalidArgumentError, "batch_size", {"batch_size": 0}),
        (InvalidArgumentError, "validation_split", {"validation_split": 1.5}),
        (InvalidArgumentError, "validation_split", {"validation_split": 0.001}),
        (InvalidArgumentError, "validation_split", {"validation_split": 0.5, "validation_data": samples()}),
        (InvalidArgumentError, "monitor", {"callbacks": [training.EarlyStopping("val_loss")]}),
        (InvalidArgumentError, "monitor", {"callbacks": [training.EarlyStopping("speed")]}),
        (InvalidArgumentError, "layer", {"callbacks": [training.GradualUnfreezing({0: "tail"})]}),
        (InvalidArgumentError, "y", {"y": None}),
        (InvalidArgumentError, "y", {"x": data.Dataset(*samples())}),
        (InvalidArgumentError, "no batch", {"x": samples(0)[0], "y": samples(0)[1]}),
    ],
)
def test_arguments_that_cannot_be_are_refused(error, match, options):
    x, y = samples()
    options = {"x": x, "y": y, "optimizer": optim.SGD(lr=0.1), "network": small(), "verbose": False, **options}
    with pytest.raises(error, match=match):
        training.fit(**options)


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: training.EarlyStopping(patience=-1), "patience"),
        (lambda: training.EarlyStopping(min_delta=-1), "min_delta"),
        (lambda: training.EarlyStopping(mode="down"), "mode"),
        (lambda: training.LearningRateScheduler(optim.StepLR(step_size=1), every="day"), "every"),
        (lambda: training.CSVLogger("a.csv", every="day"), "every"),
        (lambda: training.CSVLogger("no/such/folder/a.csv"), "path"),
        (lambda: training.TensorBoardLogger("logs", every_steps=0), "every_steps"),
        (lambda: training.GradualUnfreezing({-1: "all"}), "stages"),
        (lambda: training.GradualUnfreezing({}), "stages"),
        (lambda: training.Monitor(0), "every"),
    ],
)
def test_callbacks_that_cannot_be_are_refused(make, match):
    with pytest.raises(InvalidArgumentError, match=match):
        make()


def test_no_epochs_build_the_network_and_train_nothing():
    network = small()
    history = fit(network, epochs=0)
    assert len(history) == 0 and len(network.parameters()) == 4


def test_stopping_is_logged(caplog):
    with caplog.at_level(logging.INFO, "fastconv"):
        fit(epochs=9, shuffle=False, optimizer=optim.SGD(lr=0.0), callbacks=[training.EarlyStopping(patience=1)])
    assert "training stopped in epoch 3: auto has not improved" in caplog.text


def test_a_resumed_training_without_a_callback_says_so(tmp_path, caplog):
    path = tmp_path / "c.npz"
    fit(callbacks=[training.EarlyStopping(), training.Checkpoint(path)])
    fit(resume_from=path, epochs=2)
    assert "EarlyStopping" in caplog.text


def test_no_warning_where_all_is_well():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(epochs=1)


def test_history_is_saved_loaded_and_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    history = fit(epochs=2, batch_size=8, clip_norm=1.0, validation_split=0.2)
    history.add_epoch({"epoch": 2, "loss": math.inf})
    history.save(tmp_path / "h.json")
    json.loads((tmp_path / "h.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    loaded = training.History.load(tmp_path / "h.json")
    assert repr(loaded.to_dict()) == repr(history.to_dict())
    figure = history.plot(tmp_path / "h.png")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy", "lr", "grad norm"]
    assert (tmp_path / "h.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InvalidArgumentError, match="val_speed"):
        history["val_speed"]


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"format": "x"}', '{"format": "fastconv.history/1", "epochs": 3, "steps": {}}']
)
def test_what_is_no_history_or_monitor_is_refused(tmp_path, text):
    path = tmp_path / "h.json"
    path.write_text(text)
    for kind in (training.History, training.Monitor):
        with pytest.raises(InvalidArgumentError, match=r"h\.json"):
            kind.load(path)


def test_training_imports_no_optional_package():
    from subprocesses import assert_succeeded, python

    process = python("-c", "import sys, fastconv\nfastconv.training.fit\nprint(*sorted(m.split('.')[0] for m in sys.modules))")
    assert_succeeded(process)
    assert not {"sklearn", "matplotlib", "tensorboardX", "PIL", "tqdm", "safetensors"} & set(process.stdout.split())
    assert fc.training is training
