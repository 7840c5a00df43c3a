"""`fastconv train` and `fastconv predict`."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import fastconv as fc
from fastconv.cli import main
from fastconv.threads import num_threads


@pytest.fixture(autouse=True)
def one_thread():
    with num_threads(1):
        yield


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    return result


@pytest.fixture
def folder(tmp_path):
    """Images of two classes, light and dark, in colour."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for name, level in (("dark", 40), ("light", 200)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(12):
            pixels = np.clip(level + rng.normal(0, 20, (14, 12, 3)), 0, 255).astype(np.uint8)
            image.fromarray(pixels).save(tmp_path / "images" / name / f"{i}.png")
    return tmp_path / "images"


def test_digits_are_trained_on_logged_saved_and_recognised(tmp_path):
    image = pytest.importorskip("PIL.Image")
    model, log = tmp_path / "model.npz", tmp_path / "log.csv"
    out = run("train", "digits", "--epochs", 8, "--no-augment", "--output", model, "--log-csv", log).stdout
    accuracy = float(out.split("accuracy ")[-1].split("%")[0])
    assert accuracy > 95 and "128,714 parameters" in out and "epoch 8/8" in out and "█" in out
    assert len(log.read_text().splitlines()) == 9
    x, y = fc.data.digits()[:10]
    paths = []
    for digit, label in zip(x, y, strict=True):
        paths.append(tmp_path / f"{label}.png")
        image.fromarray((digit[0] * 255).astype(np.uint8)).save(paths[-1])
    found = json.loads(run("predict", model, *paths, "--top", 2, "--json").stdout)
    best = [max(entry["classes"], key=entry["classes"].get) for entry in found]
    assert np.mean([name == str(label) for name, label in zip(best, y, strict=True)]) >= 0.8
    assert all(len(entry["classes"]) == 2 for entry in found)
    assert isinstance(fc.nn.CNN.load(model), fc.nn.CNN)


def test_a_folder_of_images_is_trained_on_and_its_class_names_kept(folder, tmp_path):
    model = tmp_path / "model.npz"
    out = run("train", "folder", folder, "--size", 8, "--epochs", 6, "--optimizer", "adam", "--schedule", "cosine",
              "--batch-size", 6, "--output", model).stdout  # fmt: skip
    assert "2 classes" in out
    table = run("predict", model, folder / "dark" / "0.png", folder / "light" / "0.png").stdout.splitlines()[2:]
    assert [line.split()[1] for line in table] == ["dark", "light"]


def test_interrupted_training_goes_on_to_the_same_model(tmp_path):
    common = ("train", "digits", "--schedule", "step", "--optimizer", "sgd", "--lr", "0.01", "--validation", "0.9")
    whole, parts, checkpoint = tmp_path / "whole.npz", tmp_path / "parts.npz", tmp_path / "checkpoint.npz"
    run(*common, "--epochs", 3, "--output", whole)
    run(*common, "--epochs", 1, "--checkpoint", checkpoint)
    # Three epochs have the same steps of the schedule as one: the rate falls after each.
    out = run(*common, "--epochs", 3, "--checkpoint", checkpoint, "--resume", "--output", parts).stdout
    assert "epoch 1/3" not in out and "epoch 2/3" in out
    a, b = (fc.nn.CNN.load(path).state_dict() for path in (whole, parts))
    assert all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    "arguments, what",
    [
        (("train", "digits", "--model", "mobilenet_v1", "--epochs", "0", "--output", "no/such/folder/m.npz"), "no/such/folder"),
        (("train", "mnist", "."), "train"),
        (("predict", "setup.py", "a.png"), "setup.py"),
    ],
)
def test_an_error_is_one_line_and_status_2(arguments, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "setup.py").write_text("x")
    error = run(*arguments, exit_code=2).stderr
    assert error.startswith("fastconv: ") and what in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [("train", "mnist"), ("train", "digits", "."), ("train", "digits", "--resume"), ("train", "cats")]
)
def test_a_bad_option_is_a_usage_error(arguments):
    assert "Usage" in run(*arguments, exit_code=2).stderr


def test_a_network_without_classes_is_refused_by_predict(tmp_path):
    fc.models.simple_cnn((None, 1, 8, 8), 10, rng=0).save(tmp_path / "net.npz")
    assert "classes" in run("predict", tmp_path / "net.npz", "a.png", exit_code=2).stderr
