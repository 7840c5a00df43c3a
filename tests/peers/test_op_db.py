"""Every sample and error input that PyTorch tests its own conv2d with, through every algorithm, gradients included."""

import collections
import importlib
import warnings

import numpy as np
import pytest

import fastconv as fc
from fastconv.algorithms import split
from fastconv.kernels import cpu
from fastconv.problem import DIRECTIONS, ConvProblem
from harness import tolerance

pytestmark = pytest.mark.peers

# PyTorch's dtypes that fastconv computes in; it refuses the others.
SUPPORTED = ("float32", "float64")


@pytest.fixture(scope="module")
def torch():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch")
        pytest.importorskip("expecttest")
        importlib.import_module("torch.testing._internal.common_methods_invocations")
    return torch


@pytest.fixture(scope="module")
def conv2d_info(torch):
    infos = torch.testing._internal.common_methods_invocations.op_db
    (info,) = [info for info in infos if info.name == "nn.functional.conv2d"]
    return info


def samples(torch, info, dtype):
    """(x, w, b or None, options) of every sample, each contiguous and not."""
    torch.manual_seed(0)
    for sample in info.sample_inputs("cpu", getattr(torch, dtype)):
        for form in (sample, sample.noncontiguous()):
            w, b = (*form.args, None)[:2]
            yield form.input, w, b, form.kwargs


def as_arrays(*tensors):
    return [None if tensor is None else tensor.detach().numpy() for tensor in tensors]


def assert_within_bound(algorithm, p, result, torch_result, **operands):
    """Against PyTorch's result in float64, by the bound that the algorithm publishes."""
    allowed = tolerance(algorithm, p, operands).astype(float)
    difference = np.abs(result.astype(float) - torch_result.detach().numpy())
    # PyTorch's float64 has rounding errors of its own.
    assert (difference <= allowed + 1e-13 * (1 + np.abs(result))).all(), f"{algorithm.name} {p} {p.direction}"


@pytest.mark.parametrize("dtype", SUPPORTED)
def test_every_sample_agrees_with_pytorch_in_every_direction(torch, conv2d_info, dtype):
    runs, refused = collections.Counter(), 0
    for tx, tw, tb, options in samples(torch, conv2d_info, dtype):
        x, w, b = as_arrays(tx, tw, tb)
        if x.ndim == 3:
            with pytest.raises(fc.InvalidArgumentError, match=r"x: .*expected 4 dimensions"):
                fc.conv2d(x, w, b, **options)
            refused += 1
            x, tx = x[None], tx[None]
        wide = [t.detach().double().requires_grad_() for t in (tx, tw)]
        with warnings.catch_warnings():
            # PyTorch tells that it pads an even kernel's input in a copy.
            warnings.simplefilter("ignore", UserWarning)
            ty = torch.nn.functional.conv2d(*wide, None if tb is None else tb.double(), **options)
        gy = np.random.default_rng(0).standard_normal(ty.shape).astype(dtype)
        tdx, tdw = torch.autograd.grad(ty, wide, torch.from_numpy(gy).double())
        problem = ConvProblem.from_arrays(x, w, **options)
        for algorithm in fc.algorithms.registered():
            options["algorithm"] = algorithm.name
            for direction in DIRECTIONS:
                p = problem.replace(direction=direction)
                if reason := algorithm.supports(p):
                    with pytest.raises(fc.UnsupportedProblemError) as refusal:
                        compute(p, x, w, gy, b, options)
                    assert reason in str(refusal.value)
                    continue
                result = compute(p, x, w, gy, b, options)
                expected = {"forward": ty, "input_grad": tdx, "weight_grad": tdw}[direction]
                assert_within_bound(algorithm, p, result, expected, x=x, w=w, gy=gy, bias=b)
                runs[algorithm.name, direction] += 1
        del options["algorithm"]
    assert refused > 0
    for algorithm in fc.algorithms.registered():
        # Methods for depthwise problems find at least one sample too; not all for one kernel size do, and matrix units have to
        # be there, and take float32.
        on_units = algorithm in split.ALGORITHMS and (dtype, cpu.isa()) != ("float32", "amx")
        of_one_size = "winograd" in algorithm.name or algorithm.name.endswith("_fused")
        count = sum(count for (name, _), count in runs.items() if name == algorithm.name)
        assert count > 0 or of_one_size or on_units
    last = fc.algorithms.registered()[-1].name
    assert all(runs[last, direction] >= 30 for direction in DIRECTIONS)


def compute(p, x, w, gy, b, options):
    if p.direction == "forward":
        return fc.conv2d(x, w, b, **options)
    if p.direction == "input_grad":
        return fc.conv2d_input_grad(gy, w, x.shape, **options)
    return fc.conv2d_weight_grad(gy, x, w.shape, **options)


def test_samples_of_other_dtypes_are_refused(torch, conv2d_info):
    refused = collections.Counter()
    for dtype in sorted(str(dtype).removeprefix("torch.") for dtype in conv2d_info.dtypes):
        if dtype in SUPPORTED or dtype == "bfloat16":  # NumPy has no bfloat16
            continue
        for tx, tw, tb, options in samples(torch, conv2d_info, dtype):
            with pytest.raises((fc.InvalidTypeError, fc.InvalidArgumentError), match=r"^x: "):
                fc.conv2d(*as_arrays(tx, tw, tb), **options)
            refused[dtype] += 1
    assert {"complex64", "complex128", "float16"} <= set(refused)


def test_every_error_input_is_one_clear_error(torch, conv2d_info):
    count = 0
    for error_input in conv2d_info.error_inputs("cpu"):
        sample = error_input.sample_input
        x, w, b = as_arrays(sample.input, *(*sample.args, None)[:2])
        for name in ("auto", *fc.algorithms.names()):
            with pytest.raises(fc.FastconvError, match=r"^\w+: ") as caught:
                fc.conv2d(x, w, b, **sample.kwargs, algorithm=name)
            assert isinstance(caught.value, (ValueError, TypeError))
        # The error is about this input's own fault once its missing batch axis is there.
        if x.ndim == 3:
            with pytest.raises(fc.FastconvError):
                fc.conv2d(x[None], w, b, **sample.kwargs)
        count += 1
    assert count >= 10
