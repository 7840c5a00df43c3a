"""Records of runs: what was measured, whatever ended the run; a file that can be read at every moment."""

import json
import pathlib
import sys

import numpy as np
import pytest

import fastconv as fc
import recorded_run
from fastconv import nn, optim, training
from fastconv.errors import InvalidArgumentError
from fastconv.training import recorder
from recorded_run import STEPS, fit
from subprocesses import python

SCRIPT = pathlib.Path(recorded_run.__file__)


@pytest.fixture
def always(monkeypatch):
    """Writes after every step."""
    monkeypatch.setattr(recorder, "_SECONDS", 0.0)
    monkeypatch.setattr(recorder, "_TIMES", 0)


def test_a_record_is_what_the_run_was(tmp_path):
    path, monitor = tmp_path / "run.json", training.Monitor(every=2)
    history, network = fit([training.Recorder(path, every=2)], epochs=2)
    fit([monitor], epochs=2)
    run = training.RunRecord.load(path)
    assert (run.status, run.reason) == ("finished", "")
    assert repr(run.history.to_dict()) == repr(history.to_dict())
    assert repr(run.monitor.to_dict()) == repr(monitor.to_dict()) and run.monitor.every == 2
    expected = {"parameters": sum(p.size for p in network.parameters()), "epochs": 2, "steps per epoch": STEPS, "batch size": 4}
    assert {name: run.settings[name] for name in expected} == expected and "SGD(lr=0.1" in run.settings["optimizer"]
    assert [layer["kind"] for layer in run.layers] == ["", "Conv2D", "ReLU", "Flatten", "Dense"]
    assert run.layers[1]["output_shape"] == [4, 2, 4, 4] and run.environment == fc.selection.environment.describe()
    assert run.started <= run.updated and network.observer is None


def test_the_monitor_of_the_training_is_the_one_recorded(tmp_path):
    monitor, path = training.Monitor(every=3, activations=False), tmp_path / "run.json"
    _, network = fit([training.Recorder(path, every=1, environment={"machine": "mine"}), monitor])
    run = training.RunRecord.load(path)
    assert repr(run.monitor.to_dict()) == repr(monitor.to_dict()) and run.monitor.scalars["step"] == [1, 4]
    assert run.environment == {"machine": "mine"} and network.observer is None


@pytest.mark.parametrize(("death", "steps", "epochs"), [("step 7", 6, 1), ("writing 8", 7, 1), ("epoch 1", 10, 2)])
def test_a_run_that_is_killed_leaves_what_it_had_written(death, steps, epochs, tmp_path):
    path = tmp_path / "run.json"
    process = python(SCRIPT, path, death)
    assert process.returncode == 9, process.stderr
    run = training.RunRecord.load(path)
    assert run.status == "running" and len(run.history.steps["loss"]) == steps and len(run.history) == epochs
    assert len(run.monitor.scalars["step"]) == steps


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [(ValueError("no more"), "failed", "ValueError('no more')"), (KeyboardInterrupt(), "stopped", "interrupted")],
)
def test_how_a_run_ended_is_told(error, status, reason, tmp_path):
    class Raises(training.Callback):
        def on_step_end(self, training):
            if training.step == 3:
                raise error

    with pytest.raises(type(error)):
        fit([training.Recorder(tmp_path / "run.json"), Raises()])
    run = training.RunRecord.load(tmp_path / "run.json")
    assert (run.status, run.reason) == (status, reason) and len(run.history.steps["loss"]) == 3


def test_a_training_that_was_stopped_says_why(tmp_path):
    fit([training.Recorder(tmp_path / "run.json"), training.EarlyStopping("loss", min_delta=10.0, patience=0)], epochs=5)
    run = training.RunRecord.load(tmp_path / "run.json")
    assert run.status == "stopped" and run.reason.startswith("loss has not improved")


def test_losses_that_are_no_numbers_are_kept(tmp_path):
    network = nn.CNN([nn.Dense(2)], rng=0)
    x, y = np.full((4, 3), np.nan, np.float32), np.array([0, 1, 0, 1])
    with pytest.warns(RuntimeWarning, match="loss is nan"):
        network.fit(x, y, optimizer=optim.SGD(lr=0.1), callbacks=[training.Recorder(tmp_path / "r.json")], verbose=False)
    assert "NaN" in json.loads((tmp_path / "r.json").read_text())["history"]["steps"]["loss"]
    assert np.isnan(training.RunRecord.load(tmp_path / "r.json").history.steps["loss"][0])


def test_a_resumed_run_goes_on_in_its_record(tmp_path):
    def run(name, epochs):
        callbacks = [
            training.Recorder(tmp_path / f"{name}.json", every=2),
            training.Checkpoint(tmp_path / f"{name}.npz", resume=True),
        ]
        fit(callbacks, epochs=epochs)
        return training.RunRecord.load(tmp_path / f"{name}.json")

    whole = run("whole", 3)
    run("parts", 1)
    parts = run("parts", 3)
    for columns in (whole.history.epochs, parts.history.epochs):
        del columns["seconds"]
    assert repr(parts.history.to_dict()) == repr(whole.history.to_dict())
    assert repr(parts.monitor.to_dict()) == repr(whole.monitor.to_dict())


def test_it_is_written_by_epochs_unless_they_are_long(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(recorder, "_SECONDS", 1e9)  # however slow the machine
    monkeypatch.setattr(training.RunRecord, "save", lambda self, path: written.append(len(self.history.steps.get("loss", []))))
    fit([training.Recorder(tmp_path / "run.json")], epochs=2)
    assert written == [0, STEPS, 2 * STEPS, 2 * STEPS]


def test_within_an_epoch_it_is_written_after_some_time(tmp_path, monkeypatch, always):
    written = []
    monkeypatch.setattr(training.RunRecord, "save", lambda self, path: written.append(len(self.history.steps.get("loss", []))))
    fit([training.Recorder(tmp_path / "run.json")])
    assert written == [0, 1, 2, 3, 4, 5, 5, 5]


def test_histories_and_checkpoints_are_taken_as_far_as_they_go(tmp_path):
    monitor = training.Monitor(every=2)
    history, _ = fit([monitor, training.Checkpoint(tmp_path / "c.npz")])
    history.save(tmp_path / "h.json")
    of_history, of_checkpoint = (training.RunRecord.load(tmp_path / name) for name in ("h.json", "c.npz"))
    assert of_history.history["loss"] == of_checkpoint.history["loss"] == history["loss"]
    assert of_history.status == of_checkpoint.status == "" and of_checkpoint.settings["steps done"] == STEPS
    assert of_checkpoint.monitor.scalars == monitor.scalars and not of_history.monitor.gradients


@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", "{}", '{"format": "fastconv.run/1"}', '{"format": "fastconv.run/9"}', "3"]
)
def test_what_is_no_record_is_refused(content, tmp_path):
    path = tmp_path / "run.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidArgumentError, match=r"run\.json"):
        training.RunRecord.load(path)


def test_damaged_checkpoints_and_folders_that_are_not_there_are_refused(tmp_path):
    (tmp_path / "c.npz").write_bytes(b"PK")
    with pytest.raises(InvalidArgumentError, match=r"c\.npz"):
        training.RunRecord.load(tmp_path / "c.npz")
    with pytest.raises(InvalidArgumentError, match="path"):
        training.Recorder(tmp_path / "no" / "run.json")


def test_a_network_without_a_summary_is_recorded_without_layers(tmp_path, monkeypatch):
    def refuses(*_):
        raise InvalidArgumentError("input_shape: no")

    monkeypatch.setattr(sys.modules["fastconv.training.recorder"], "summary", refuses)
    fit([training.Recorder(tmp_path / "run.json")])
    assert training.RunRecord.load(tmp_path / "run.json").layers == []
