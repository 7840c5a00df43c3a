import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest
from click.testing import CliRunner

from fastconv.algorithms import names
from fastconv.cli import main
from fastconv.report.tables import table_names
from fastconv.threads import num_threads

SHAPE = "1x4x9x10,6x3x3,p1"
PEERS = ("torch", "onnxruntime", "openvino")
TABLE = [
    {"name": "first", "C": 3, "H": 12, "W": 12, "K": 4, "k": 3, "p": 1, "n": 2},
    {"name": "point", "C": 4, "H": 6, "W": 6, "K": 8, "k": 1},
]


@pytest.fixture(autouse=True)
def own_cache_and_one_thread(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTCONV_CACHE_DIR", str(tmp_path / "cache"))
    with num_threads(1):
        yield


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "net.json"
    path.write_text(json.dumps(TABLE))
    return str(path)


@pytest.fixture
def quick_peaks(monkeypatch):
    monkeypatch.setattr("fastconv.selection.rates._PEAK_SECONDS", 1e-3)


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == exit_code, result.output
    return result


def test_help_names_the_commands_and_tables():
    assert all(command in run("--help").stdout for command in ("compare", "tune", "explain", "calibrate", "show-versions"))
    assert all(name in run("compare", "--help").stdout for name in table_names())


def test_compare_shows_every_layer_algorithm_and_total(table):
    out = run("compare", table, "--seconds", "0.01").stdout
    assert "first" in out and "point" in out
    assert all(name in out for name in names())
    assert "the fastest for each layer" in out and "3 convolutions" in out


def test_compare_shows_a_shape_in_full():
    out = run("compare", SHAPE, "--seconds", "0.01").stdout
    assert SHAPE in out and "direct" in out and "best" in out


def test_compare_train_has_all_directions(table, quick_peaks):
    data = json.loads(run("compare", table, "--direction", "train", "--seconds", "0.01", "--json", "-").stdout)
    assert [layer["problem"]["direction"] for layer in data["layers"]] == ["forward", "input_grad", "weight_grad"] * 2


def test_compare_options_reach_the_measurement(table, quick_peaks):
    data = json.loads(
        run("compare", table, "--only", "point", "--batch", "2", "--format", "nhwc", "--dtype", "float64", "--threads", "1",
            "--precision", "highest", "--deny", names()[0], "--direction", "input_grad", "--seconds", "0.01",
            "--json", "-").stdout
    )  # fmt: skip
    (layer,) = data["layers"]
    problem = layer["problem"]
    assert (layer["name"], problem["batch"], problem["memory_format"], problem["dtype"]) == ("point", 2, "nhwc", "float64")
    assert problem["direction"] == "input_grad"
    assert data["settings"]["threads"] == 1 and data["settings"]["precision"] == "highest"
    assert data["settings"]["deny"] == [names()[0]]
    assert {a["algorithm"]: a["reason"] for a in layer["algorithms"]}[names()[0]] is not None
    assert data["environment"]["threads"] == "1"


def test_compare_writes_json_beside_the_text(table, tmp_path, quick_peaks):
    path = tmp_path / "out.json"
    out = run("compare", table, "--seconds", "0.01", "--json", str(path)).stdout
    assert "the fastest for each layer" in out
    assert json.loads(path.read_text())["schema"] == "fastconv.comparison/1"


def test_compare_writes_a_page_beside_the_text(table, tmp_path, quick_peaks):
    path = tmp_path / "report.html"
    out = run("compare", table, "--seconds", "0.01", "--html", str(path)).stdout
    assert "the fastest for each layer" in out
    html = path.read_text("utf-8")
    assert html.startswith("<!doctype html>") and "Roofline" in html and "1x4x6x6,8x1x1" in html
    # What is saved is shown again, from the page as well as from the record, and has no options of runs.
    assert run("compare", str(path)).stdout == out
    assert "--threads: of no use with what was saved" in run("compare", str(path), "--threads", "1", exit_code=2).stderr


def test_compare_shows_what_changed_between_two_records(table, tmp_path, quick_peaks):
    a, b, page, data = (str(tmp_path / name) for name in ("a.json", "b.json", "change.html", "change.json"))
    for path in (a, b):
        run("compare", table, "--seconds", "0.01", "--json", path)
    out = run("compare", a, b, "--html", page, "--json", data, "--details").stdout
    assert "b.json" in out and "geometric mean" in out and "first" in out
    assert json.loads(pathlib.Path(data).read_text("utf-8"))["schema"] == "fastconv.comparison_change/1"
    assert "Time after over time before" in pathlib.Path(page).read_text("utf-8")
    assert json.loads(run("compare", a, b, "--json", "-").stdout)["before"] == "a.json"
    for arguments in ((a, b, b), (a, b, "--check-heuristic"), (a, b, "--peers")):
        assert "Usage" in run("compare", *arguments, exit_code=2).stderr


def test_records_of_the_same_name_go_by_their_paths(table, tmp_path, quick_peaks):
    paths = [tmp_path / folder / "a.json" for folder in ("one", "two")]
    for path in paths:
        path.parent.mkdir()
        run("compare", table, "--seconds", "0.01", "--json", str(path))
    data = json.loads(run("compare", *map(str, paths), "--json", "-").stdout)
    assert [data["before"], data["after"]] == list(map(str, paths))


def test_compare_with_peers_names_those_that_are_missing(table, monkeypatch):
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, find=importlib.util.find_spec: None if name in PEERS else find(name)
    )
    out = run("compare", table, "--seconds", "0.01", "--peers").stdout
    assert "ONNX Runtime is left out: onnxruntime is not installed" in out and "PyTorch is left out" in out


def test_a_page_needs_its_packages_before_anything_is_measured(table, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.setattr("fastconv.cli.comparison.compare_layers", None)
    error = run("compare", table, "--html", str(tmp_path / "a.html"), exit_code=2).stderr
    assert 'pip install "fastconv[report]"' in error and error.count("\n") == 1


@pytest.mark.parametrize("share, exit_code", [(0.0, 0), (1.01, 1)])
def test_check_heuristic_prints_the_share_and_fails_when_it_is_low(table, monkeypatch, share, exit_code):
    monkeypatch.setattr("fastconv.cli.comparison.GOOD_SHARE", share)
    assert "heuristic: " in run("compare", table, "--seconds", "0.01", "--check-heuristic", exit_code=exit_code).stdout


def test_check_heuristic_keeps_json_clean(table, monkeypatch, quick_peaks):
    monkeypatch.setattr("fastconv.cli.comparison.GOOD_SHARE", 0.0)
    result = run("compare", table, "--seconds", "0.01", "--check-heuristic", "--json", "-")
    json.loads(result.stdout)
    assert "heuristic: " in result.stderr


def test_tune_shows_the_plans_and_writes_a_lock_file(table, tmp_path):
    path = tmp_path / "plans.json"
    out = run("tune", table, "--time-budget", "0.1", "--threads", "1", "--lock", str(path)).stdout
    assert "first" in out and "point" in out
    assert {plan["problem"] for plan in json.loads(path.read_text())["plans"]} == {"1x3x12x12,4x3x3,p1", "1x4x6x6,8x1x1"}


def test_a_lock_file_is_replayed(table, tmp_path):
    path = tmp_path / "plans.json"
    run("tune", table, "--only", "first", "--time-budget", "0.1", "--threads", "1", "--lock", str(path))
    plan = next(plan for plan in json.loads(path.read_text())["plans"] if plan["packing"] == "once")
    out = run("explain", plan["problem"], "--threads", "1", "--lock", str(path), "--effort", "replay").stdout
    assert f"{plan['algorithm']}: replayed from a lock file" in out


def test_explain_lists_every_algorithm():
    out = run("explain", SHAPE, "--effort", "heuristic").stdout
    assert all(name in out for name in names())


@pytest.fixture
def quick_rates(monkeypatch):
    monkeypatch.setattr("fastconv.selection.rates._SECONDS", 0.01)
    monkeypatch.setattr("fastconv.selection.calibrate._PROBLEM_SECONDS", 0.01)


def test_calibrate_shows_shares_and_keeps_the_constants(quick_rates, tmp_path):
    out = run("calibrate", "--time-budget", "0.001", "--json", str(tmp_path / "machine.json")).stdout
    assert "before" in out and "after" in out and "fma" in out
    (kept,) = (tmp_path / "cache").glob("*/machine.json")
    assert str(kept) in out
    assert json.loads(kept.read_text())["constants"] == json.loads((tmp_path / "machine.json").read_text())


def test_calibrate_keeps_json_clean(quick_rates):
    assert json.loads(run("calibrate", "--time-budget", "0.001", "--json", "-").stdout)["fma"] > 0


def test_calibrate_refuses_a_cache_folder_that_cannot_be_written(quick_rates, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FASTCONV_CACHE_DIR", str(tmp_path / "file"))
    error = run("calibrate", "--time-budget", "0.001", exit_code=2).stderr
    assert error.startswith("fastconv: ") and "machine.json" in error and error.count("\n") == 1


def test_show_versions_has_what_a_bug_report_needs():
    out = run("show-versions").stdout
    assert all(
        name in out
        for name in ("python", "numpy", "scipy", "BLAS", "OpenMP", "instruction sets", "CPU", "threads", "variables")
    )
    assert json.loads(run("show-versions", "--json").stdout)["algorithms"] == ", ".join(names())


@pytest.mark.parametrize(
    "arguments, what",
    [
        (("compare", "resnet51"), "resnet51"),
        (("compare", "no/such/table.json"), "no/such/table.json"),
        (("compare", "1x4x8x8,5x3x3,g2"), "groups"),
        (("compare", "1x4x2x2,5x3x3"), "w: the kernel spans"),
        (("compare", SHAPE, "--only", "("), "only"),
        (("compare", SHAPE, "--deny", "nonesuch"), "nonesuch"),
        (("compare", SHAPE, "--seconds", "0.01", "--json", "no/such/folder.json"), "no/such/folder.json"),
        (("compare", SHAPE, "--html", "no/such/folder.html"), "no/such/folder.html"),
        (("compare", "no.json", "such.json"), "no.json"),
        (("compare", "no.html"), "no.html"),
        (("compare", "resnet50", "vgg16"), "resnet50"),
        (("tune", "resnet51"), "resnet51"),
        (("tune", SHAPE, "--time-budget", "0.01", "--lock", "no/such/folder.json"), "no/such/folder.json"),
        (("explain", "1x2x3"), "1x2x3"),
        (("explain", SHAPE, "--effort", "replay"), "replay"),
        (("explain", SHAPE, "--lock", "no/such.json"), "no/such.json"),
    ],
)
def test_an_error_is_one_line_and_status_2(arguments, what):
    result = run(*arguments, exit_code=2)
    assert what in result.stderr
    assert result.stderr.startswith("fastconv: ") and result.stderr.count("\n") == 1


def test_the_row_and_field_of_a_malformed_table_are_named(tmp_path):
    path = tmp_path / "net.json"
    path.write_text(json.dumps([TABLE[0], {**TABLE[1], "K": -1}]))
    assert "net.json row 2 (point), field K: got -1" in run("compare", str(path), exit_code=2).stderr


@pytest.mark.parametrize(
    "arguments", [("compare", SHAPE, "--threads", "0"), ("compare", SHAPE, "--format", "chwn"), ("compare",)]
)
def test_a_bad_option_is_a_usage_error(arguments):
    assert "Usage" in run(*arguments, exit_code=2).stderr


def test_python_m_fastconv_is_the_command_line():
    process = subprocess.run(
        [sys.executable, "-m", "fastconv", "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    assert process.stdout.startswith("Usage: fastconv ")
