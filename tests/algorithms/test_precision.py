"""What precision "high" allows is within `max_error` of each result's own |x| conv |w| on independent data."""

import numpy as np
import pytest

import fastconv as fc
from fastconv import reference
from fastconv.algorithms import sums
from fastconv.selection import heuristic
from harness import operands, run
from problems import DIRECTIONS, problem

# Sums of few products, some of which are small by chance.
FEW_PRODUCTS = [
    "8x1x8x8,16x3x3,p1", "2x1x96x96,12x3x3", "1x16x112x112,1x3x3,p1", "4x2x56x56,64x3x3,p1", "8x3x32x32,32x3x3,p1",
    "1x6x6x6,4x3x3", "8x16x8x8,1x3x3,s2,p1", "8x16x8x8,4x3x3,s2,p1", "4x64x8x8,16x3x3,s2,p1",
    "8x1x32x32,16x5x5,p2", "1x1x96x96,96x5x5", "8x2x8x8,16x5x5,p2", "4x6x14x14,16x5x5",
    "2x64x6x6,16x5x5,p0x2", "1x4x6x6,24x5x5,p1", "1x16x4x4,24x3x3,p1", "1x24x4x4,24x3x3",
    "4x24x28x28,2x1x3,p0x1", "8x3x32x56,1x3x1,p1x0", "4x1x6x6,24x5x1,p2x0",
]  # fmt: skip
MORE_PRODUCTS = ["16x24x10x10,64x3x3,p1", "2x64x16x16,64x3x3,p1", "1x32x28x28,16x5x5,p2", "1x16x96x96,24x3x3,p1"]


def independent(p):
    """Operands without bias, the exact result, and |x| conv |w|."""
    data = operands(p) | {"bias": None}
    return data, reference.compute(p, **data), reference.scale(p, **data)


def judged(text, direction):
    with fc.config(precision="high"):
        return heuristic.judge(problem(text, direction), fc.get_config())


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("text", FEW_PRODUCTS + MORE_PRODUCTS)
def test_each_result_is_within_max_error(text, direction):
    p = problem(text, direction)
    data, exact, scale = independent(p)
    for candidate in judged(text, direction):
        if candidate.kind is None:
            difference = np.abs(run(candidate.algorithm, p, data) - exact)
            worst = np.max(difference[scale > 0] / scale[scale > 0])
            assert worst <= fc.get_config().max_error, f"{candidate.algorithm.name}: {worst:.2g}"


def test_it_is_refused_where_products_are_few():
    text = "8x16x8x8,1x3x3,s2,p1"  # whose input gradient has results of one product
    p, name = problem(text, "input_grad"), "winograd4x4_stride2"
    data, exact, scale = independent(p)
    assert np.max(np.abs(run(fc.algorithms.get(name), p, data) - exact) / scale) > fc.get_config().max_error
    assert "its error of" in {c.algorithm.name: c.reason for c in judged(text, "input_grad")}[name]


@pytest.mark.parametrize(
    ("text", "direction", "name"),
    [
        ("1x3x224x224,64x3x3,p1", "forward", "winograd4x4"),
        ("256x3x32x32,64x3x3,p1", "forward", "winograd4x4"),
        ("64x64x32x32,64x3x3,p1", "forward", "winograd6x6"),
        ("64x64x32x32,64x3x3,p1", "weight_grad", "winograd4x4"),
        ("1x512x7x7,512x3x3,p1", "weight_grad", "winograd4x4"),
        ("32x6x14x14,16x5x5", "forward", "winograd4x4_5x5"),
        ("1x64x28x28,64x5x5,p2", "forward", "winograd4x4_5x5"),
        ("32x64x32x32,128x3x3,s2,p1", "input_grad", "winograd4x4_stride2"),
        ("1x64x1x500,64x1x3,p0x1", "forward", "winograd6x1"),
    ],
)
def test_usual_layers_keep_their_tiles(text, direction, name):
    assert {c.algorithm.name: c.reason for c in judged(text, direction)}[name] is None


def test_float64_has_room_to_spare():
    p = problem("8x16x8x8,1x3x3,s2,p1", "input_grad", "float64")
    assert all(c.reason is None or c.kind == "unsupported" for c in heuristic.judge(p, fc.get_config()))


def test_the_spread_is_what_the_oracle_finds():
    # Sums of 4, 2 and 1 products: their least is far below the rest, and the estimate beyond, but not by much.
    p = problem("8x16x8x8,1x3x3,s2,p1", "input_grad")
    scale = independent(p)[2]
    assert 1 < np.median(scale) / scale.min() < sums.spread(p)
    # Of thousands of products, all about the same but at the border.
    for text, most in (("1x256x16x16,8x3x3", 1.05), ("1x256x16x16,8x3x3,p1", 2.4)):
        p = problem(text)
        scale = independent(p)[2]
        within = scale / scale.mean(axis=(0, 2, 3), keepdims=True)
        assert within.max() / within.min() < 1.2 * sums.spread(p) and 1 <= sums.spread(p) < most


@pytest.mark.parametrize("text", ["0x3x8x8,16x3x3,p1", "2x3x4x4,5x2x2,s3,p1", "1x1x1x1,1x1x1"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_spread_is_finite_and_at_least_one(text, direction):
    assert 1 <= sums.spread(problem(text, direction)) < np.inf
