"""docs/numerics.md says of every algorithm what the registry says."""

import re

import numpy as np
import pytest

from fastconv import algorithms, reference
from fastconv.kernels import cpu
from fastconv.problem import DIRECTIONS, DTYPES
from fastconv.threads import num_threads
from harness import forms, in_supported_form
from pages import DOCS
from problems import CASES, EVERYWHERE, problem

PAGE = (DOCS / "numerics.md").read_text("utf-8")
ROW = re.compile(r"^\| `(\w+)` \| ([\w, ]+) \| `([^`]+)` \|", re.MULTILINE)
# Products of bfloat16 parts of the algorithms on matrix units that use no tiles; all of those on matrix units.
PRODUCTS = {"split_bf16x6": 6, "split_bf16x4": 4, "split_bf16x3": 3, "split_bf16x3_fused": 3, "bf16": 1}
MATRIX_UNITS = {*PRODUCTS, "winograd4x1_bf16x3", "winograd4x1_bf16", "winograd2x2_bf16x3", "winograd2x2_bf16"}
REACHES = re.compile(r"^\| (`\w+`(?:, `\w+`)*) \| the outputs (of its tiles|whose windows hold it) \|$", re.MULTILINE)


def constants():
    """The formula of every algorithm and direction."""
    found = {}
    for name, directions, formula in ROW.findall(PAGE):
        for direction in DIRECTIONS if directions == "all" else directions.split(", "):
            assert (name, direction) not in found
            found[name, direction] = formula
    return found


def variables(p, name):
    """What the letters of the page stand for, counted by the oracle where it can."""
    ones = {"x": np.ones(p.x_shape), "w": np.ones(p.w_shape), "gy": np.ones(p.y_shape)}
    products = reference.compute(p, **ones)
    group_channels, group_filters = p.in_channels // p.groups, p.out_channels // p.groups
    depth = {"forward": group_channels, "input_grad": group_filters, "weight_grad": 0}[p.direction]
    if p.direction == "weight_grad" and name.startswith("winograd"):
        side, line = int(name.removeprefix("winograd")[0]), name.removeprefix("winograd")[1:3] == "x1"
        tile = [1 if line and kernel == 1 else side for kernel in (p.kernel_height, p.kernel_width)]
        depth = p.batch
        for outputs, size, dilation in zip(tile, (p.out_height, p.out_width), p.dilation, strict=True):
            depth *= -(-size // (outputs * dilation)) * dilation
    image = (p.out_height, p.out_width) if p.direction == "input_grad" else (p.height, p.width)
    met, columns = 1, p.kernel_width
    for size, dilation, kernel in zip(image, p.dilation, (p.kernel_height, p.kernel_width), strict=True):
        columns = min(kernel, -(-size // dilation))
        met *= columns
    summed = {
        "forward": group_channels * p.taps,
        "input_grad": group_filters * p.taps,
        "weight_grad": p.batch * p.out_height * p.out_width,
    }
    fewest = products[products > 0].min(initial=products.max(initial=1)) or 1
    of_parts = PRODUCTS.get(name)
    chain = of_parts and cpu.kernels().split_work(p.geometry, DIRECTIONS.index(p.direction), of_parts, 1)["chain"]
    return {
        "m": summed[p.direction],
        "d": depth,
        "h": 1 if p.direction == "weight_grad" else p.taps / met,
        "u": p.kernel_width / columns,
        "r": p.kernel_height,
        "k": group_filters,
        "t": p.taps,
        "c": -(-min(summed[p.direction], 32) // 2),
        "s": chain,
        "a": cpu.kernels().depthwise_chain(p.geometry, p.itemsize) if p.is_depthwise or p.in_channels == 1 else 0,
        "n": products.size,
        "f": fewest,
        "q": max(products.max(initial=1), 1) / fewest,
        "min": min,
    }


def test_the_table_has_every_algorithm_and_direction():
    supported = {
        (algorithm.name, direction)
        for algorithm in algorithms.registered()
        for direction in DIRECTIONS
        if any(forms(algorithm, text, direction) for text in CASES.values())
    }
    absent = MATRIX_UNITS if cpu.why_no_matrix_units() else set()
    assert {(name, direction) for name, direction in constants() if name not in absent} == supported


@pytest.mark.parametrize(("name", "direction"), constants())
def test_the_formula_gives_the_published_constant(name, direction):
    if name in MATRIX_UNITS and cpu.why_no_matrix_units():
        pytest.skip(cpu.why_no_matrix_units())
    algorithm, checked = algorithms.get(name), 0
    for text in EVERYWHERE.values():
        for dtype in DTYPES:
            p = problem(text, direction, dtype)
            if not p.batch or all(algorithm.supports(p.replace(memory_format=f)) for f in ("nchw", "nhwc")):
                continue
            p = in_supported_form(algorithm, p)
            with num_threads(1):
                assert eval(constants()[name, direction], variables(p, name)) == pytest.approx(algorithm.error(p), rel=1e-12)
            checked += 1
    assert checked


def test_the_page_says_what_a_nan_reaches():
    said = {name: where for names, where in REACHES.findall(PAGE) for name in re.findall(r"\w+", names)}
    expected = {a.name: "whose windows hold it" if a.local_non_finite else "of its tiles" for a in algorithms.registered()}
    assert said == expected
