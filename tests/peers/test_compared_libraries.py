"""PyTorch, ONNX Runtime and OpenVINO as a comparison runs them: their results are those of the convolution."""

import importlib.util

import numpy as np
import pytest

import fastconv as fc
from fastconv.report.accuracy import Accuracy
from fastconv.report.comparing import compare
from fastconv.report.peers import PEERS, opened
from fastconv.report.tables import load_layers

pytestmark = pytest.mark.peers

SHAPES = (
    "1x8x11x10,6x3x3,p1", "2x6x9x9,4x3x5,s2x1,p1x2", "1x8x13x13,8x3x3,p2,d2,g2", "1x6x8x8,6x5x5,p2,g6", "1x6x7x7,12x3x3,p1,g6",
    "1x4x9x9,8x1x1", "1x4x9x9,4x3x3,p0.1x1.2",
)  # fmt: skip
LIBRARIES = {kind.name: kind for kind in PEERS}
# Rounding of sums of a hundred products.
TOLERANCE = 1e-5


@pytest.fixture(params=LIBRARIES)
def library(request):
    kind = LIBRARIES[request.param]
    needed = {"onnxruntime": ("onnx", "onnxruntime")}.get(kind.module, (kind.module,))
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    opened_library = kind(1)
    yield opened_library
    opened_library.close()


@pytest.mark.parametrize("memory_format", ["nchw", "nhwc"])
@pytest.mark.parametrize("direction", ["forward", "input_grad", "weight_grad"])
@pytest.mark.parametrize("shape", SHAPES)
def test_results_are_those_of_the_convolution(library, shape, direction, memory_format):
    problem = fc.ConvProblem.parse(shape, direction=direction, memory_format=memory_format)
    if library.supports(problem) is not None:
        pytest.skip(library.supports(problem))
    accuracy = Accuracy(problem, np.random.default_rng(0))
    call = library.prepare(problem, accuracy.operands)
    # What the call refers to must live on without us: other arrays take the place of what is freed.
    for _ in range(3):
        np.full(10**5, np.nan, np.float32)
        assert accuracy.error_of(call()) <= TOLERANCE


def test_what_a_library_does(library):
    assert library.supports(fc.ConvProblem.parse(SHAPES[0])) is None
    gradient = library.supports(fc.ConvProblem.parse(SHAPES[0], direction="input_grad"))
    assert (gradient is None) == (library.module == "torch")
    assert library.version[0].isdigit()


def test_the_number_of_threads_is_set_and_put_back():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    with opened(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_a_comparison_has_them_all():
    pytest.importorskip("torch")
    with fc.num_threads(1):
        found = compare(load_layers("1x8x12x12,8x3x3,p1"), seconds=0.02, passes=1, peers=True)
    (row,) = found.rows
    assert found.peers.keys() | found.missing_peers.keys() == set(LIBRARIES)
    assert {"PyTorch", "PyTorch NHWC"} <= found.peers.keys()
    assert all(m.usable and m.error <= TOLERANCE for m in row.peers)
