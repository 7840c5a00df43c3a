"""A comparison made by hand: three layers, three algorithms, known times."""

from fastconv.problem import ConvProblem
from fastconv.report.comparison import Comparison, Measurement, Row
from fastconv.report.tables import Layer


def measured(name, seconds, **details):
    known = {
        "spread": 0.1,
        "predicted_seconds": seconds,
        "pack_seconds": 1e-6,
        "workspace": 2048,
        "error": 1e-7,
        "error_bound": 1e-6,
    }
    return Measurement(name, seconds, **{**known, **details})


def row(name, shape, occurrences, heuristic, *measurements):
    return Row(Layer(name, ConvProblem.parse(shape), occurrences), measurements, heuristic)


def comparison(*rows, title="net"):
    return Comparison(title, rows or ROWS, {"threads": 1, "dtype": "float32"}, {"python": "3"})


ROWS = (
    row("first", "1x3x32x32,8x3x3,p1", 1, "tiles", measured("tiles", 1e-3), measured("im2col", 2e-3), measured("direct", 4e-3)),
    row("point", "1x8x32x32,16x1x1", 2, "direct", Measurement("tiles", reason="the kernel is 1x1, not 3x3"),
        measured("im2col", 1e-3), measured("direct", 1.2e-3)),
    row("last", "1x16x32x32,16x5x5,p2", 1, "direct", Measurement("tiles", reason="the kernel is 5x5, not 3x3"),
        measured("im2col", 3e-3), measured("direct", 6e-3)),
)  # fmt: skip
