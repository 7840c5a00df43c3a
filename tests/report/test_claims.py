"""The guide's claims: every one is measured, and its verdict follows from its figures as its criterion says."""

import json
import pathlib
import re

import numpy as np
import pytest
from click.testing import CliRunner

import fastconv as fc
from fastconv import reference
from fastconv.cli import main
from fastconv.errors import InvalidArgumentError, MissingExtraError
from fastconv.problem import ConvProblem
from fastconv.report import claims
from fastconv.report.claims import CLAIMS, access_order, batch_norm, fusion, im2col, page, separable, simd
from fastconv.report.claims.claim import HOLDS, NOT, PARTLY, UNKNOWN, Claim, Figure, Verdict
from fastconv.report.claims.text import format_findings
from fastconv.report.page import render

ENVIRONMENT = {"CPU": "a CPU"}


@pytest.fixture
def small(monkeypatch):
    """Sizes with which a claim is measured in an instant; the verdict is what it may be."""
    monkeypatch.setattr(im2col, "_SMALL", ConvProblem.parse("1x2x5x5,2x3x3"))
    monkeypatch.setattr(im2col, "_LAYER", ConvProblem.parse("1x4x10x10,4x3x3"))
    monkeypatch.setattr(access_order, "_SIDES", (8, 16))
    monkeypatch.setattr(access_order, "_PYTHON", 8)
    monkeypatch.setattr(simd, "_IN_MEMORY", 2**14)
    monkeypatch.setattr(simd, "_PYTHON", 64)
    monkeypatch.setattr(batch_norm, "_RATES", (0.03, 0.1))
    monkeypatch.setattr(batch_norm, "_SEEDS", (0,))
    monkeypatch.setattr(batch_norm, "_LIMIT", 30)
    monkeypatch.setattr(fusion, "_LAYERS", {"3x3": ConvProblem.parse("1x4x8x8,4x3x3,p1", memory_format="nhwc")})


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_is_measured_and_judged(name, small):
    if name == "batch_norm":
        pytest.importorskip("sklearn")
    (finding,) = claims.check_claims([name], seconds=1e-3)
    assert finding.verdict.holds in (HOLDS, PARTLY, NOT) and finding.verdict.here and finding.verdict.why
    assert all(figure.value > 0 and figure.label and figure.detail for figure in finding.figures)
    keys = [figure.key for figure in finding.figures]
    assert len(set(keys)) == len(keys) and any(not figure.beside for figure in finding.figures)
    data = finding.as_dict()
    assert json.loads(json.dumps(data, allow_nan=False))["figures"][0]["value"] == finding.figures[0].value


def test_claims_are_described():
    for name, claim in CLAIMS.items():
        assert claim.name == name and claim.criterion.startswith("Holds if") and claim.quotes and claim.method.endswith(".")
        assert not re.search(r"\s\s", claim.method + claim.criterion), name


def times(value, keys):
    return dict.fromkeys(keys, value)


WINOGRAD = [f"winograd{m}x{m}, {where}" for m in (2, 4, 6) for where in ("64 at 56x56", "128 at 28x28", "256 at 14x14")]
FFT = [f"{kind} {k}x{k}" for kind in ("dense", "depthwise") for k in (3, 5, 7, 9, 11, 15)]
SIDES = [f"{side} x {side}" for side in (64, 500, 512, 1000, 1024, 4000, 4096)]
RATES = [f"rate {rate}" for rate in (0.003, 0.01, 0.03, 0.1, 0.3)]
FILTERS = [f"{filters} filters" for filters in (16, 32, 64, 128, 256, 512, 1024)]


@pytest.mark.parametrize(
    ("name", "figures", "verdict", "here"),
    [
        ("im2col", {"Python, small": 5000, "compiled, layer": 10}, HOLDS, "10.0x over compiled loops, 5,000x over Python's"),
        ("im2col", {"Python, small": 5000, "compiled, layer": 101}, HOLDS, "101x over"),
        ("im2col", {"Python, small": 5000, "compiled, layer": 9.9}, PARTLY, "9.90x over"),
        ("im2col", {"Python, small": 9, "compiled, layer": 2}, NOT, "2.00x over"),
        ("batch_norm", times(2, RATES) | {"best rates": 2, "time of a step": 1.2}, HOLDS, "2.00x to 2.00x fewer"),
        ("batch_norm", times(3, RATES) | {"best rates": 1.9, "time of a step": 1.2}, PARTLY, "1.90x at the best"),
        ("batch_norm", times(1.5, RATES) | {"best rates": 1.5, "time of a step": 1.2}, NOT, "1.50x to 1.50x"),
        ("winograd", times(2.1, WINOGRAD) | {"winograd2x2, multiplications": 2.25}, HOLDS, "2.10x to 2.10x in time"),
        ("winograd", times(1.9, WINOGRAD) | {"winograd2x2, multiplications": 2.25}, PARTLY, "1.90x to 1.90x in time"),
        ("winograd", times(0.9, WINOGRAD) | {"winograd2x2, multiplications": 2.25}, NOT, "0.90x to 0.90x in time"),
        ("winograd", times(2.3, WINOGRAD) | {"winograd2x2, multiplications": 2}, NOT, "2.00x fewer"),
        ("fft", times(1.1, FFT), HOLDS, "dense: from 3x3, depthwise: from 3x3"),
        ("fft", times(1.1, FFT) | {"dense 5x5": 0.9, "depthwise 5x5": 0.9}, HOLDS, "dense: from 7x7, depthwise: from 7x7"),
        ("fft", times(1.1, FFT) | {"dense 7x7": 0.9}, PARTLY, "dense: from 9x9, depthwise: from 3x3"),
        ("fft", times(0.9, FFT) | {"depthwise 7x7": 1.1, "dense 15x15": 2}, PARTLY, "dense: from 15x15, depthwise: never"),
        ("fft", times(0.9, FFT), NOT, "dense: never, depthwise: never"),
        ("access_order", times(1, SIDES) | {"4000 x 4000": 10, "Python": 1}, HOLDS, "1.00x (64 x 64) to 10.0x (4000 x 4000)"),
        ("access_order", times(1, SIDES) | {"4000 x 4000": 9, "Python": 20}, PARTLY, "9.00x (4000 x 4000)"),
        ("access_order", times(1, SIDES) | {"Python": 20}, NOT, "1.00x"),
        ("simd", {"a, cache": 2, "a, memory": 2, "b, cache": 8, "b, memory": 4, "Python": 99}, HOLDS, "8.00x in the cache"),
        ("simd", {"a, cache": 8, "a, memory": 8, "b, cache": 4, "b, memory": 3, "Python": 99}, PARTLY, "3.00x from memory (b)"),
        ("simd", {"b, cache": 3, "b, memory": 3, "Python": 99}, NOT, "3.00x in the cache"),
        ("fusion", {"a": 1.2, "b": 1.5}, HOLDS, "1.20x (a) to 1.50x (b)"),
        ("fusion", {"a": 1.1, "b": 1.5}, PARTLY, "1.10x (a) to 1.50x (b)"),
        ("fusion", {"a": 1.1, "b": 1.1}, NOT, "1.10x"),
        ("separable", times(8.5, FILTERS) | {"time, 128 filters": 2}, HOLDS, "8.50x to 8.50x fewer"),
        ("separable", times(8.5, FILTERS) | {"512 filters": 7, "time, 128 filters": 2}, PARTLY, "7.00x to 8.50x"),
        ("separable", times(5, FILTERS) | {"time, 128 filters": 2}, NOT, "5.00x"),
    ],
)  # fmt: skip
def test_the_verdict_follows_from_the_figures(name, figures, verdict, here):
    found = CLAIMS[name].judge(figures)
    assert found.holds == verdict and here in found.here and found.why.endswith(".")


def test_the_python_loops_are_a_convolution():
    problem = ConvProblem.parse("2x3x5x6,4x3x2")
    rng = np.random.default_rng(0)
    x, w = (rng.integers(-3, 4, shape).astype("f4") for shape in (problem.x_shape, problem.w_shape))
    y = np.full(problem.y_shape, np.nan, "f4")
    im2col.convolve(x, w, y)
    np.testing.assert_array_equal(y, reference.forward(problem, x, w))


def test_folding_gives_the_same_as_the_three_operations():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 6, 6)), rng.standard_normal((4, 3, 3, 3))
    gamma, beta, mean, var = (rng.uniform(0.5, 2, 4) for _ in range(4))
    separate = fc.functional.batch_norm_inference(fc.conv2d(x, w), gamma, beta, mean, var, eps=fusion._EPS)
    np.testing.assert_allclose(fc.conv2d(x, *fusion.folded(w, gamma, beta, mean, var)), separate, rtol=1e-12)


def test_the_reduction_of_parameters_is_the_guides_formula(small):
    (finding,) = claims.check_claims(["separable"], seconds=1e-3)
    for filters, figure in zip(separable._FILTERS, finding.figures, strict=False):
        assert figure.value == pytest.approx(9 * filters / (9 + filters))


def example(measure=None, **changes):
    """A claim of a known figure."""
    figure = Figure("a", "a / b", 1.5, "3 / 2")
    options = {
        "name": "toy", "title": "A <toy>", "section": "Toys", "quotes": ("it is 2x",), "stated": "2x", "span": (1, 2),
        "method": "Measured.", "criterion": "Holds if so.", "measure": measure or (lambda seconds: [figure]),
        "judge": lambda found: Verdict(HOLDS if found["a"] > 1 else NOT, "1.5x", "Because."),
    }  # fmt: skip
    return Claim(**options | changes)


def test_a_claim_whose_package_is_missing_stays_unmeasured():
    def measure(seconds):
        raise MissingExtraError('x is not installed; pip install "fastconv[x]" brings it')

    finding = example(measure).check(1.0)
    assert finding.verdict == Verdict(UNKNOWN, "", 'x is not installed; pip install "fastconv[x]" brings it')
    assert "not measured" in format_findings([finding]) and not finding.figures


def test_the_text_has_a_line_and_a_block_for_each():
    finding = example().check(1.0)
    brief, full = format_findings([finding], details=False), format_findings([finding])
    assert brief.splitlines()[2].split() == ["toy", "2x", "1.5x", "holds"] and full.startswith(brief)
    assert 'guide: "it is 2x" (Toys)' in full and "1.50x  a  a / b    3 / 2" in full and "why: Because." in full
    assert max(map(len, full.splitlines())) <= 118


def test_the_summary_counts():
    kinds = [HOLDS, HOLDS, PARTLY, NOT, UNKNOWN]
    found = [example(judge=lambda _, kind=kind: Verdict(kind, "", ""), title=kind).check(1.0) for kind in kinds]
    assert page.summary(found) == ("Of 5 performance claims 2 hold on this machine, 1 hold partly, 1 do not: does not hold.")


@pytest.mark.parametrize("span", [None, (1, 1), (1, 30)])
def test_the_page_has_everything_and_escapes_it(span):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    measure = lambda seconds: [Figure("a", "a < b", 1.5, "3 / 2"), Figure("b", "b", 40.0, "", beside=True)]  # noqa: E731
    html = render(page.findings_page([example(measure, span=span).check(1.0)], ENVIRONMENT))
    assert "A &lt;toy&gt;" in html and "Because." in html and "a &lt; b" in html and "Of 1 performance claims 1 hold" in html
    assert "it is 2x" in html and not re.search("https?:", html)


@pytest.mark.parametrize(("arguments", "match"), [((["moon"],), "moon"), (((), 0.0), "seconds")])
def test_what_cannot_be_is_refused(arguments, match):
    names, *seconds = arguments
    with pytest.raises(InvalidArgumentError, match=match):
        claims.check_claims(names, **({"seconds": seconds[0]} if seconds else {}))


def test_the_command_prints_and_writes(small, tmp_path, monkeypatch):
    pytest.importorskip("jinja2")
    json_path, html_path = tmp_path / "c.json", tmp_path / "c.html"
    arguments = ["claims", "--only", "separable", "--seconds", "0.001", "--json", str(json_path), "--html", str(html_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0 and "separable  8-9x" in result.output and "criterion" in result.output
    data = json.loads(json_path.read_text())
    assert data["schema"] == claims.SCHEMA and [claim["name"] for claim in data["claims"]] == ["separable"]
    assert "Depthwise-separable" in html_path.read_text()
    brief = CliRunner().invoke(main, ["claims", "--only", "separable", "--seconds", "0.001", "--brief"]).output
    assert "criterion" not in brief


def test_a_wrong_name_is_one_line_and_status_2():
    result = CliRunner().invoke(main, ["claims", "--only", "moon"])
    assert result.exit_code == 2 and "moon" in result.stderr and "winograd" in result.stderr and result.stderr.count("\n") == 1


def test_the_page_of_the_documentation_has_every_claim():
    path = pathlib.Path(__file__).parents[2] / "docs" / "claims.md"
    if not path.is_file():
        pytest.skip("the documentation is not beside the tests")
    text = " ".join(path.read_text("utf-8").replace("> ", "").split())
    for claim in CLAIMS.values():
        assert f"## {claim.title} " in text
        for quote in claim.quotes:
            assert " ".join(quote.split()) in text, quote
