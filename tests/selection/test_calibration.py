"""Stored constants of the machine: kept, read once, overriding what ships, and ignored when they are not ours."""

import dataclasses
import itertools
import json

import pytest

import fastconv as fc
from fastconv import selection
from fastconv.algorithms import get, machine, registered
from fastconv.algorithms.modelled import Modelled
from fastconv.kernels import cpu
from fastconv.report.tables import load_layers, table_names
from fastconv.selection import calibrate, calibration, rates
from fastconv.selection.fit import fit
from registered_toys import own_store  # noqa: F401 -- a fixture
from subprocesses import assert_succeeded, python

P = fc.ConvProblem.parse("1x32x28x28,32x3x3,p1")


def favouring(name):
    """Constants under which one algorithm seems a million times as fast as it is."""
    found = machine.shipped(cpu.isa())
    return dataclasses.replace(found, factors=found.factors | {name: dict.fromkeys(get(name).terms(P), 1e-6)})


def chosen():
    return fc.plan(P, effort="heuristic").algorithm.name


def file():
    return calibration.path(selection.get_config())


@pytest.fixture(autouse=True)
def own_calibration(own_store):  # noqa: F811
    calibration._read.cache_clear()
    yield
    calibration._read.cache_clear()


def test_stored_constants_decide_and_drop_the_plans_in_memory():
    assert chosen() not in ("im2col", "fft")
    for name in ("im2col", "fft"):
        calibration.save(favouring(name), selection.get_config())
        with fc.config(precision="medium"):
            assert chosen() == name
            assert fc.plan(P, effort="heuristic").explain().rows


def test_what_is_saved_is_read_by_another_process():
    calibration.save(favouring("im2col"), selection.get_config())
    script = (
        f"import fastconv as fc; p = fc.ConvProblem.parse({str(P)!r}); print(fc.plan(p, effort='heuristic').algorithm.name)"
    )
    process = python("-c", script)
    assert_succeeded(process)
    assert process.stdout.split() == ["im2col"]


def test_each_cache_folder_has_its_own(tmp_path):
    calibration.save(favouring("im2col"), selection.get_config())
    with fc.config(cache_dir=tmp_path / "other"):
        assert chosen() != "im2col"
    assert chosen() == "im2col"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: text.replace("fastconv machine", "another"),
        lambda text: text.replace('"version": 1', '"version": 2'),
        lambda text: text.replace('"environment": "', '"environment": "x'),
        lambda text: json.dumps(json.loads(text) | {"constants": {"fma": 1.0}}),
        lambda text: json.dumps(json.loads(text) | {"constants": json.loads(text)["constants"] | {"fma": -1}}),
        lambda text: json.dumps(json.loads(text) | {"constants": json.loads(text)["constants"] | {"factors": {"im2col": 3}}}),
    ],
)
def test_a_damaged_or_foreign_file_counts_as_absent(spoil):
    calibration.save(favouring("im2col"), selection.get_config())
    path = file()
    path.write_text(spoil(path.read_text()))
    calibration._read.cache_clear()
    assert calibration.load(selection.get_config()) is None
    assert chosen() != "im2col"


def test_no_temporary_file_stays():
    calibration.save(favouring("im2col"), selection.get_config())
    assert [path.name for path in file().parent.iterdir()] == ["machine.json"]


def test_fit_finds_the_factors_that_made_the_times():
    samples = [({"a": a, "b": b}, 3 * a + 0.5 * b, 1.0) for a in (1.0, 5.0, 20.0) for b in (1.0, 7.0, 50.0)] * 20
    assert fit(samples, {}) == pytest.approx({"a": 3, "b": 0.5}, rel=0.02)
    assert fit(samples, {"a": 30.0}) == pytest.approx({"a": 3, "b": 0.5}, rel=0.02)


def test_fit_keeps_what_no_sample_tells():
    assert fit([], {"a": 2.0}) == {"a": 2.0}
    assert fit([({"a": 1.0, "b": 0.0}, 4.0, 1.0)] * 100, {"b": 7.0}) == pytest.approx({"a": 4.0, "b": 7.0}, rel=0.02)


def test_an_outlier_does_not_bend_the_fit():
    samples = [({"a": a}, 2 * a, 1.0) for a in (1.0, 2.0, 3.0)] * 20 + [({"a": 1.0}, 1000.0, 1.0)]
    assert fit(samples, {}) == pytest.approx({"a": 2.0}, rel=0.05)


def test_no_calibration_problem_is_a_layer_of_a_shipped_table():
    layers = {str(layer.problem) for table in table_names() for layer in load_layers(table)}
    problems = calibrate.calibration_problems()
    assert not layers & {str(problem) for problem in problems}
    assert len(set(problems)) == len(problems)


def test_shipped_factors_belong_to_terms():
    known = {}
    modelled = [a for a in registered() if isinstance(a, Modelled)]
    for isa, algorithm in itertools.product(cpu.available(), modelled):
        with cpu.use(isa):  # some terms are those of one instruction set
            for problem in calibrate.calibration_problems():
                if algorithm.supports(problem) is None:
                    known.setdefault(algorithm.model(problem), set()).update(algorithm.terms(problem))
                    known.setdefault(algorithm.pack_model(problem), set()).update(algorithm.pack_terms(problem))
    for isa in cpu.available():
        for model, factors in machine.shipped(isa).factors.items():
            assert factors.keys() <= known.get(model, factors.keys()), model


def test_calibrating_measures_within_its_budget(monkeypatch):
    monkeypatch.setattr(rates, "_SECONDS", 0.01)
    monkeypatch.setattr(calibrate, "_PROBLEM_SECONDS", 0.01)
    found = calibrate.calibrate(time_budget=1e-3)
    assert found.problems == 1 and 0 <= found.before <= 1 and 0 <= found.after <= 1
    assert found.constants.factors.keys() >= machine.shipped(cpu.isa()).factors.keys()
    assert not file().exists()
