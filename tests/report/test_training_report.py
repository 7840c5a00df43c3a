"""The report of a training: what its sentences say, and that its page holds what was recorded."""

import json
import math
import re

import pytest
from click.testing import CliRunner

from fastconv.cli import main
from fastconv.report.page import render
from fastconv.report.training_page import training_page
from fastconv.report.training_summary import observations, summary
from fastconv.report.training_text import format_training
from fastconv.training import Checkpoint, History, Monitor, Recorder, RunRecord
from recorded_run import STEPS, fit


def history(**columns):
    """A history of these columns of epochs."""
    length = len(next(iter(columns.values())))
    return History.from_dict({"epochs": {"epoch": list(range(length)), **columns}, "steps": {}})


def record(status="finished", monitor=None, settings=None, reason="", steps=None, **columns):
    named = {"network": "a_cnn", "parameters": 1234, "samples": 500, "epochs": 3}
    run = RunRecord(
        status=status, reason=reason, settings=named | (settings or {}), history=history(**columns) if columns else History()
    )
    run.history.steps.update(steps or {})
    if monitor:
        run.monitor = monitor
    return run


GOOD = {"loss": [2.0, 1.0, 0.5], "val_loss": [2.0, 1.0, 0.999], "accuracy": [0.5, 0.8, 0.9], "val_accuracy": [0.5, 0.85, 0.8]}


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (
            record(**GOOD, seconds=[1.0, 1.0, 0.5]),
            "a_cnn (1,234 parameters), trained for 3 epochs on 500 samples in 2.50 s, reached 80.00% accuracy in validation "
            "(best: 85.00% in epoch 2).",
        ),
        (record(loss=[2.0, 1.0], accuracy=[0.5, 0.75]), "reached 75.00% accuracy on its own samples."),
        (record(loss=[2.0, 1.0], accuracy=[math.nan] * 2), "reached a loss of 1 on its own samples."),
        (record(loss=[2.0, 1.0], val_loss=[1.5, 1.75]), "reached a loss of 1.75 in validation (best: 1.5 in epoch 1)."),
        (record(loss=[math.nan]), "trained for 1 epoch on 500 samples in unknown time, reached no loss that is a number."),
        (record(), "a_cnn (1,234 parameters) has finished no epoch."),
        (record("running", loss=[2.0]), "The record ends after epoch 1 of 3: the training goes on, or was killed."),
        (record("stopped", reason="no better", loss=[2.0]), " It was stopped: no better."),
        (record("failed", reason="ValueError('x')"), " It failed: ValueError('x')."),
        (RunRecord(), "A network has finished no epoch."),
    ],
)
def test_the_summary_says_what_was_reached_and_how_it_ended(run, text):
    assert text in summary(run)


def monitor(gradients=(1.0, 1.0), ratios=(1e-3, 1e-3), zeros=(0.5,)):
    found = Monitor(every=1)
    found.scalars.update(step=[1, 2], loss=[1.0, 0.5], accuracy=[0.5, 0.6], lr=[0.1, 0.1], grad_norm=[1.0, 1.0])
    for i, (norm, ratio) in enumerate(zip(gradients, ratios, strict=True)):
        name = f"layer{i}.weight"
        found.gradients[name] = [norm, norm]
        found.weights[name] = {kind: [0.1, 0.1] for kind in ("mean", "std", "min", "max")} | {"update_ratio": [ratio, ratio]}
    for i, share in enumerate(zeros):
        found.activations[f"relu{i}"] = {"mean": [0.1, 0.1], "std": [1.0, 1.0], "sparsity": [share, share]}
    return found


@pytest.mark.parametrize(
    ("run", "patterns"),
    [
        (record(**GOOD, monitor=monitor()), ["Nothing stands out"]),
        (RunRecord(), ["Nothing stands out"]),
        (record(loss=[2.0, 1.0, 0.1], val_loss=[2.0, 1.0, 1.5]), [r"lowest in epoch 2, 1, and is 50% higher"]),
        (record(loss=[2.0, 1.0], val_loss=[2.0, 1.0]), [r"still fell in the last epoch, by 50%"]),
        (record(loss=[2.0, 3.0], val_loss=[2.0, 1.0]), [r"rose from 2 to 3"]),
        (record(loss=[2.0], steps={"loss": [1.0, math.nan], "lr": [0.1, 0.5]}), [r"nan in step 2, at a learning rate of 0\.5"]),
        (record(**GOOD, monitor=monitor(gradients=(1e-6, 1.0))), [r"Gradients vanish: .* 1\.0e-06 at layer0"]),
        (record(**GOOD, monitor=monitor(ratios=(0.1, 1e-3))), [r"change layer0\.weight by a large share, 1\.0e-01 .* lower"]),
        (
            record(**GOOD, monitor=monitor(ratios=(1e-7, 1e-6))),
            [r"change layer0\.weight, layer1\.weight by a small share, 1\.0e-07 to 1\.0e-06 .* higher"],
        ),
        (record(**GOOD, monitor=monitor(zeros=[0.99] * 6)), [r"relu0, relu1, relu2, relu3 and 2 more are zero, 99\.0%"]),
    ],
)
def test_what_asks_for_a_look_is_said(run, patterns):
    found = observations(run)
    assert len(found) == len(patterns)
    for pattern, text in zip(patterns, found, strict=True):
        assert re.search(pattern, text), text


def test_frozen_and_zero_weights_are_no_observation():
    """A frozen parameter has no gradient and does not change."""
    assert observations(record(**GOOD, monitor=monitor(gradients=(math.nan, 1.0), ratios=(0.0, math.nan)))) == [
        "Nothing stands out: losses, gradients, updates and activations are where they should be."
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The record of a training with validation."""
    path = tmp_path_factory.mktemp("run") / "run.json"
    fit([Recorder(path, every=1, settings={"network": "<net>"}, environment={"CPU": "a CPU"})], epochs=2, validation_split=0.25)
    return path


@pytest.fixture
def packages():
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")


def test_the_page_holds_what_was_recorded(run, packages):
    recorded = RunRecord.load(run)
    html = render(training_page(recorded))
    data = json.loads(re.search(r'<script type="application/json" id="record">(.*?)</script>', html, re.DOTALL)[1])
    assert data == json.loads(run.read_text())
    for text in (
        "Training of &lt;net&gt;",
        "a CPU",
        "Loss",
        "Accuracy",
        "Learning rate",
        "Norm of all gradients",
        "conv2d.weight",
    ):
        assert text in html, text
    rows = re.findall(r'aria-controls="t\d+-\d+">([\w.]+)</button>', html)
    assert rows == ["conv2d", "relu", "flatten", "dense"]
    assert not re.search("https?:", html) and "<net>" not in html.replace("&lt;net&gt;", "")


@pytest.mark.parametrize(
    "run_of",
    [
        RunRecord(),
        record(loss=[math.nan, math.nan]),
        record(loss=[1e6, 1.0]),
        record(**GOOD),
        record(**GOOD, monitor=monitor(gradients=[0.0] * 9, ratios=[math.nan] * 9, zeros=[0.0])),
        record(
            "failed", steps={"epoch": [0, 0, 1], "loss": [1.0, math.inf, math.nan], "lr": [0.1] * 3, "grad_norm": [1.0] * 3}
        ),
    ],
    ids=["empty", "nan", "large", "good", "zeros", "failed"],
)
def test_little_or_odd_values_have_a_page_too(run_of, packages):
    assert "<h2>Observations</h2>" in render(training_page(run_of)) and format_training(run_of)


def test_long_runs_are_thinned(packages):
    steps = 5000
    columns = {"epoch": [i // 500 for i in range(steps)], "loss": [1.0 + i % 7 for i in range(steps)], "lr": [0.1] * steps}
    assert len(render(training_page(record(loss=[1.0] * 10, steps=columns)))) < 400_000


def test_the_command_shows_records_histories_and_checkpoints(run, tmp_path, packages):
    page = tmp_path / "report.html"
    result = CliRunner().invoke(main, ["report", "train", str(run), "--html", str(page)])
    assert result.exit_code == 0 and "<net> (" in result.output and "█" in result.output and "Training of" in page.read_text()
    done, _ = fit([Checkpoint(tmp_path / "c.npz")])
    done.save(tmp_path / "h.json")
    for name in ("c.npz", "h.json"):
        result = CliRunner().invoke(main, ["report", "train", str(tmp_path / name)])
        assert result.exit_code == 0 and "trained for 1 epoch" in result.output, result.output


def test_what_is_no_record_is_one_line_and_status_2(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    result = CliRunner().invoke(main, ["report", "train", str(tmp_path / "x.json")])
    assert result.exit_code == 2 and result.stderr.count("\n") == 1 and "x.json" in result.stderr


def test_the_trainer_records(tmp_path):
    pytest.importorskip("sklearn")
    path = tmp_path / "run.json"
    arguments = ["train", "digits", "--epochs", "1", "--model", "simple_cnn", "--validation", "0.9", "--record", str(path)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    recorded = RunRecord.load(path)
    assert recorded.status == "finished" and recorded.settings["network"] == "simple_cnn" and recorded.environment["CPU"]
    assert recorded.history.steps["loss"] and len(recorded.monitor.scalars["step"]) == math.ceil(
        len(recorded.history.steps["loss"]) / 10
    )
    assert recorded.settings["steps per epoch"] == len(recorded.history.steps["loss"]) != STEPS
