"""Comparisons made by hand: three layers, three algorithms, known times."""

import dataclasses

from fastconv.problem import ConvProblem
from fastconv.report.comparison import Comparison, Measurement, Row
from fastconv.report.tables import Layer
from fastconv.selection.rates import Peaks


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


def refused(name, reason, kind="unsupported"):
    return Measurement(name, kind=kind, reason=reason)


def row(name, shape, occurrences, heuristic, *measurements, peers=()):
    fastest = min((m for m in measurements if m.usable), key=lambda m: m.seconds, default=None)
    return Row(
        Layer(name, ConvProblem.parse(shape), occurrences), measurements, heuristic, fastest and fastest.algorithm, tuple(peers)
    )


def comparison(*rows, title="net", **fields):
    return Comparison(title, rows or ROWS, {"threads": 1, "dtype": "float32"}, {"python": "3"}, **fields)


ROWS = (
    row("first", "1x3x32x32,8x3x3,p1", 1, "tiles", measured("tiles", 1e-3), measured("im2col", 2e-3), measured("direct", 4e-3)),
    row("point", "1x8x32x32,16x1x1", 2, "direct", refused("tiles", "the kernel is 1x1, not 3x3"),
        measured("im2col", 1e-3), measured("direct", 1.2e-3)),
    row("last", "1x16x32x32,16x5x5,p2", 1, "direct", refused("tiles", "the kernel is 5x5, not 3x3"),
        measured("im2col", 3e-3), measured("direct", 6e-3)),
)  # fmt: skip


def with_peers(*seconds_of_each, rows=ROWS):
    """The rows with two other libraries, whose times are those of im2col times the two factors given."""
    libraries = ("PyTorch", "ONNX Runtime")
    factors = dict(zip(libraries, seconds_of_each or (1.5, 2.0), strict=True))
    timed = [
        dataclasses.replace(
            r,
            peers=tuple(Measurement(name, factor * r["im2col"].seconds, 0.05, error=2e-7) for name, factor in factors.items()),
        )
        for r in rows
    ]
    return comparison(*timed, peers=dict.fromkeys(libraries, "1.0"), missing_peers={"OpenVINO": "openvino is not installed"})


def with_everything():
    """A comparison that every part of a page has something to show of: peers, peaks, a layer that nothing can do."""
    whole = with_peers()
    return dataclasses.replace(
        whole,
        rows=(
            *whole.rows,
            row("none", "1x3x8x8,8x3x3", 1, None, refused("tiles", "denied </script> & more", "denied")),
            row("quick", "1x3x8x8,8x7x7,p3", 1, "direct", measured("direct", 9e-4), measured("im2col", 1e-3)),
        ),
        peaks=Peaks(1, 1e11, {"L2": 9e10, "L3": 8e10, "memory": 2e10}),
        environment={"python": "3", "CPU": "A processor <fast> & hot", "instruction sets": "baseline, avx2 (in use)"},
    )


def changed():
    """`comparison()` after a change: the first layer twice as fast by another algorithm, the last slower within noise."""
    _, point, last = ROWS
    return comparison(
        row("first", "1x3x32x32,8x3x3,p1", 1, "tiles", measured("tiles", 1e-3), measured("im2col", 0.5e-3),
            measured("direct", 4e-3)),
        point,
        row("last", "1x16x32x32,16x5x5,p2", 1, "direct", *(dataclasses.replace(m, seconds=m.seconds and 1.07 * m.seconds)
                                                           for m in last.measurements)),
    )  # fmt: skip
