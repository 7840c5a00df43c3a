"""The samples and error inputs that PyTorch tests pooling, interpolation and padding of images with."""

import collections
import importlib
import math
import warnings

import numpy as np
import pytest

import fastconv as fc
from fastconv import functional as F

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def torch():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch")
        pytest.importorskip("expecttest")
        importlib.import_module("torch.testing._internal.common_methods_invocations")
    return torch


def info_of(torch, name, variant=""):
    infos = torch.testing._internal.common_methods_invocations.op_db
    (info,) = [info for info in infos if info.name == name and info.variant_test_name == variant]
    return info


def named(names, args, options):
    """Positional arguments under their names; None stands for an argument left out."""
    given = dict(zip(names, args, strict=False)) | options
    return {name: value for name, value in given.items() if value is not None}


def sizes(options):
    """PyTorch's lists of one as the number, and its empty stride left out."""
    short = lambda v: v[0] if isinstance(v, (tuple, list)) and len(v) == 1 else v  # noqa: E731
    return {name: short(value) for name, value in options.items() if value != ()}


MAX_NAMES = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
AVG_NAMES = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")


def max_pool(x, gy, options):
    options = sizes(options)
    indices = options.pop("return_indices", False)
    y, taps = F.max_pool2d_with_taps(x, **options)
    result = F.max_pool2d(x, **options, return_indices=True)
    np.testing.assert_array_equal(result[0], y)
    return (result if indices else y), None if gy is None else F.max_pool2d_grad(gy, taps, x.shape, **options)


def avg_pool(x, gy, options):
    options = sizes(options)
    return F.avg_pool2d(x, **options), None if gy is None else F.avg_pool2d_grad(gy, x.shape, **options)


def adaptive_max(x, gy, options):
    indices = options.pop("return_indices", False)
    y, taps = F.adaptive_max_pool2d_with_taps(x, **options)
    result = F.adaptive_max_pool2d(x, **options, return_indices=True)
    return (result if indices else y), None if gy is None else F.adaptive_max_pool2d_grad(gy, taps, x.shape)


def adaptive_avg(x, gy, options):
    return F.adaptive_avg_pool2d(x, **options), None if gy is None else F.adaptive_avg_pool2d_grad(gy, x.shape)


def upsample(x, gy, options):
    # The factor computed anew from the sizes is what giving the size means.
    if options.pop("recompute_scale_factor", False):
        options["size"] = tuple(math.floor(n * options["scale_factor"]) for n in x.shape[2:])
        del options["scale_factor"]
    return F.upsample2d(x, **options), None if gy is None else F.upsample2d_grad(gy, x.shape, **options)


def pad(x, gy, options):
    left, right, top, bottom = (*options["pad"], 0, 0)[:4]
    options = {"padding": ((top, bottom), (left, right))} | {k: v for k, v in options.items() if k == "value"}
    y = F.pad2d(x, **options)
    options.pop("value", None)
    return y, None if gy is None else F.pad2d_grad(gy, x.shape, **options)


# op_db's entry -> (variant, names of positional arguments, ours, the samples to run at least in a dtype)
OPERATIONS = {
    "nn.functional.max_pool2d": ("", MAX_NAMES, max_pool, 60),
    "nn.functional.avg_pool2d": ("", AVG_NAMES, avg_pool, 7),
    "nn.functional.adaptive_max_pool2d": ("", ("output_size", "return_indices"), adaptive_max, 4),
    "nn.functional.adaptive_avg_pool2d": ("", ("output_size",), adaptive_avg, 4),
    "nn.functional.interpolate-nearest": ("nearest", ("size", "scale_factor", "mode", "align_corners"), upsample, 4),
    "nn.functional.interpolate-bilinear": ("bilinear", ("size", "scale_factor", "mode", "align_corners"), upsample, 8),
    "nn.functional.pad": ("constant", ("pad", "mode", "value"), pad, 2),
}


def beyond(name, x, options):
    """Why a sample is not of the operations here, or None."""
    if x.ndim not in (3, 4) or (x.ndim == 3 and ("interpolate" in name or name.endswith("pad"))):
        return "not images"
    if name.endswith("pad") and (min(options["pad"]) < 0 or len(options["pad"]) > 4 or len(options["pad"]) % 2):
        return "cropping, or other axes"
    return None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_sample_agrees_with_pytorch(torch, name, dtype):
    variant, names, ours, at_least = OPERATIONS[name]
    info = info_of(torch, name.split("-")[0], variant)
    counts = collections.Counter()
    torch.manual_seed(0)
    for sample in info.sample_inputs("cpu", getattr(torch, dtype)):
        options = named(names, sample.args, sample.kwargs)
        if reason := beyond(name, sample.input, options):
            counts[reason] += 1
            continue
        for form in (sample, sample.noncontiguous()):
            compare(torch, info, form, options, ours)
        counts["run"] += 1
    assert counts["run"] >= at_least, counts


def compare(torch, info, sample, options, ours):
    tx = sample.input.detach()
    lifted = tx[None] if tx.ndim == 3 else tx
    wide = lifted.double().clone().requires_grad_()
    expected = info.op(wide, *sample.args, **sample.kwargs)
    ty, *tindices = expected if isinstance(expected, tuple) else (expected,)
    gy = np.random.default_rng(0).standard_normal(ty.shape).astype(lifted.numpy().dtype)
    result, dx = ours(lifted.numpy(), gy, dict(options))
    y, *indices = result if isinstance(result, tuple) else (result,)
    tolerance = 40 * np.finfo(gy.dtype).eps
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=tolerance, atol=tolerance * 10)
    for index, tindex in zip(indices, tindices, strict=True):
        np.testing.assert_array_equal(index, tindex.numpy())
    (tdx,) = torch.autograd.grad(ty, wide, torch.from_numpy(gy).double())
    np.testing.assert_allclose(dx, tdx.numpy(), rtol=tolerance, atol=tolerance * 10)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name.endswith("pool2d")])
def test_every_error_input_is_one_clear_error(torch, name):
    variant, names, ours, _ = OPERATIONS[name]
    info = info_of(torch, name.split("-")[0], variant)
    count = 0
    for error in info.error_inputs("cpu"):
        sample = error.sample_input
        options = named(names, sample.args, sample.kwargs)
        x = sample.input.detach().numpy()
        with pytest.raises(fc.FastconvError, match=r"^\w+(, \w+)*: ") as caught:
            ours(x, None, dict(options))
        assert isinstance(caught.value, (ValueError, TypeError))
        # The error is about the input's own fault once its missing batch axis is there.
        if x.ndim == 3:
            with pytest.raises(fc.FastconvError):
                ours(x[None], None, dict(options))
        count += 1
    assert count >= 1
