"""Every sample and error input that PyTorch tests its normalisations, activations and softmax with, gradients included."""

import collections
import importlib
import warnings

import numpy as np
import pytest

import fastconv as fc
from fastconv import functional as F

pytestmark = pytest.mark.peers

DTYPES = ("float32", "float64")
# Of the largest value of each result; float32 is compared with PyTorch's float64.
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
# PyTorch's default negative slope, and its eps of all normalisations.
SLOPE, EPS = 0.01, 1e-5
# Whose first arguments are running statistics.
RUNNING_STATISTICS = ("nn.functional.batch_norm", "nn.functional.instance_norm")


@pytest.fixture(scope="module")
def torch():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch")
        pytest.importorskip("expecttest")
        importlib.import_module("torch.testing._internal.common_methods_invocations")
    return torch


def infos(torch, name):
    found = [i for i in torch.testing._internal.common_methods_invocations.op_db if i.name == name]
    assert found
    return found


def arrays(values):
    return [v.detach().numpy() if hasattr(v, "detach") else v for v in values]


def samples(torch, name, dtype):
    torch.manual_seed(0)
    for info in infos(torch, name):
        for sample in info.sample_inputs("cpu", getattr(torch, dtype)):
            yield from ((info, form) for form in (sample, sample.noncontiguous()))


def torch_result(torch, info, sample, gy_of):
    """PyTorch's result in float64 and its gradients with respect to the tensors it differentiates, with gy."""
    wide = [v.detach().double() if torch.is_tensor(v) and v.is_floating_point() else v for v in (sample.input, *sample.args)]
    kwargs = {k: v.detach().double() if torch.is_tensor(v) else v for k, v in sample.kwargs.items()}
    affine = wide[3:] if info.name in RUNNING_STATISTICS else wide[1:]
    leaves = [v for v in (wide[0], *affine, kwargs.get("weight"), kwargs.get("bias")) if torch.is_tensor(v)]
    for leaf in leaves:
        leaf.requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = info.op(wide[0], *wide[1:], **kwargs)
        gy = gy_of(y)
        grads = torch.autograd.grad(y, leaves, torch.from_numpy(gy).double()) if y.numel() else []
    return y.detach().numpy(), gy, [g.numpy() for g in grads]


def random_like(dtype):
    return lambda y: np.random.default_rng(0).standard_normal(tuple(y.shape)).astype(dtype)


def assert_agree(actual, expected, dtype, terms=1.0):
    """Within the tolerance of the largest value, or of the `terms` that the result is the difference of."""
    assert actual.shape == expected.shape
    scale = max(terms, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE[dtype] * scale)


def as_images(x):
    """(n, c, ...) as (n, c, h, w)."""
    return x if x.ndim in (2, 4) else x.reshape(*x.shape[:2], 1, int(np.prod(x.shape[2:])))


# -- normalisations: (result, gradients in the order x, weight, bias, 1 / std) ------------------------------------------------


def batch_norm(x, gy, running_mean=None, running_var=None, weight=None, bias=None, training=False, momentum=0.1, eps=EPS):
    if training:
        y, mean, inv_std = F.batch_norm(x, weight, bias, eps=eps)
        return y, F.batch_norm_grad(gy(y), x, mean, inv_std, weight, bias)[:3], inv_std
    y = F.batch_norm_inference(x, weight, bias, running_mean, running_var, eps=eps)
    gradients = F.batch_norm_inference_grad(gy(y), x, weight, bias, running_mean, running_var, eps=eps)[:3]
    return y, gradients, 1 / np.sqrt(running_var + eps)


def instance_norm(
    x, gy, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=EPS
):
    if not use_input_stats:
        return batch_norm(x, gy, running_mean, running_var, weight, bias, eps=eps)
    y, mean, inv_std = F.instance_norm(x, weight, bias, eps=eps)
    return y, F.instance_norm_grad(gy(y), x, mean, inv_std, weight, bias), inv_std


def group_norm(x, gy, groups, weight=None, bias=None, eps=EPS):
    y, mean, inv_std = F.group_norm(x, groups, weight, bias, eps=eps)
    return y, F.group_norm_grad(gy(y), x, groups, mean, inv_std, weight, bias), inv_std


def layer_norm(x, gy, normalized_shape, weight=None, bias=None, eps=EPS):
    y, mean, inv_std = F.layer_norm(x, normalized_shape, weight, bias, eps=eps)
    return y, F.layer_norm_grad(gy(y), x, normalized_shape, mean, inv_std, weight), inv_std


NORMALIZATIONS = {
    "batch_norm": batch_norm,
    "instance_norm": instance_norm,
    "group_norm": group_norm,
    "layer_norm": layer_norm,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_every_sample_of_a_normalisation_agrees(torch, name, dtype):
    count = 0
    for info, sample in samples(torch, f"nn.functional.{name}", dtype):
        expected, gy, gradients = torch_result(torch, info, sample, random_like(dtype))
        x, *args = arrays((sample.input, *sample.args))
        kwargs = dict(zip(sample.kwargs, arrays(sample.kwargs.values()), strict=True))
        kwargs.pop("cudnn_enabled", None)
        if name != "layer_norm" and x.ndim < 2:
            with pytest.raises(fc.InvalidArgumentError, match=r"^x: "):
                NORMALIZATIONS[name](x, lambda y: y, *args, **kwargs)
            continue
        shaped = x if name == "layer_norm" else as_images(x)
        if kwargs.get("eps", EPS) < 0:
            with pytest.raises(fc.InvalidArgumentError, match=r"^eps: "):
                NORMALIZATIONS[name](shaped, lambda y: y, *args, **kwargs)
            continue
        if name == "batch_norm" and kwargs.get("training") and x.size < 2 * x.shape[1]:
            with pytest.raises(fc.InvalidArgumentError, match=r"^x: .*at least 2"):
                NORMALIZATIONS[name](shaped, lambda y: y, *args, **kwargs)
            continue
        y, own, inv_std = NORMALIZATIONS[name](shaped, lambda y, gy=gy: gy.reshape(y.shape), *args, **kwargs)
        assert_agree(y.reshape(x.shape), expected, dtype)
        given = [own[0].reshape(x.shape)]
        weight, bias = _affine(name, args, kwargs)
        given += [g for g, p in zip(own[1:], (weight, bias), strict=True) if p is not None]
        if gradients:
            assert len(given) == len(gradients)
            # dx is the difference of terms of the size of gy / std.
            terms = max(1.0, inv_std.max(initial=0) * np.abs(gy).max(initial=0))
            for a, b in zip(given, gradients, strict=True):
                assert_agree(a, b, dtype, terms)
        count += 1
    assert count >= 10


def _affine(name, args, kwargs):
    positional = {"batch_norm": 2, "instance_norm": 2, "group_norm": 1, "layer_norm": 1}[name]
    weight = kwargs.get("weight", args[positional] if len(args) > positional else None)
    bias = kwargs.get("bias", args[positional + 1] if len(args) > positional + 1 else None)
    return weight, bias


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_every_error_input_of_a_normalisation_is_refused(torch, name):
    for info in infos(torch, f"nn.functional.{name}"):
        if info.error_inputs_func is None:
            continue
        for error_input in info.error_inputs("cpu"):
            sample = error_input.sample_input
            x, *args = arrays((sample.input, *sample.args))
            kwargs = dict(zip(sample.kwargs, arrays(sample.kwargs.values()), strict=True))
            with pytest.raises(fc.FastconvError):
                NORMALIZATIONS[name](x, lambda y: y, *args, **kwargs)


# -- activations and softmax ------------------------------------------------------------------------------------------


def elementwise(activation):
    def compute(x, gy):
        y = F.activate(x, activation)
        name = activation[0] if isinstance(activation, tuple) else activation
        return y, F.activation_grad(gy, y if F.SAVED[name] == "output" else x, activation)

    return compute


def leaky_relu(x, gy, negative_slope=SLOPE, inplace=False):
    return elementwise(("leaky_relu", negative_slope))(x, gy)


def gelu(x, gy, approximate="none"):
    return elementwise("gelu" if approximate == "none" else "gelu_tanh")(x, gy)


def softmax(x, gy, dim=None, dtype=None):
    y = F.softmax(x, dim)
    return y, F.softmax_grad(gy, y, dim)


def log_softmax(x, gy, dim=None, dtype=None):
    y = F.log_softmax(x, dim)
    return y, F.log_softmax_grad(gy, y, dim)


FUNCTIONS = {
    "nn.functional.relu": elementwise("relu"),
    "nn.functional.relu6": elementwise("relu6"),
    "nn.functional.leaky_relu": leaky_relu,
    "nn.functional.silu": elementwise("silu"),
    "nn.functional.gelu": gelu,
    "sigmoid": elementwise("sigmoid"),
    "tanh": elementwise("tanh"),
    "softmax": softmax,
    "log_softmax": log_softmax,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_sample_of_a_function_agrees(torch, name, dtype):
    runs = collections.Counter()
    for info, sample in samples(torch, name, dtype):
        kwargs = dict(sample.kwargs)
        if kwargs.get("dtype") is not None:
            runs["converted first, which is not done here"] += 1
            continue
        expected, gy, gradients = torch_result(torch, info, sample, random_like(dtype))
        x, *args = arrays((sample.input, *sample.args))
        if "softmax" in name and not x.ndim:
            continue  # an array without axes has none to sum over
        y, g = FUNCTIONS[name](x, gy, *args, **kwargs)
        assert_agree(y, expected, dtype)
        if gradients:
            assert_agree(g, gradients[0], dtype)
        runs["compared"] += 1
    assert runs["compared"] >= 2


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if "softmax" not in name])
def test_other_dtypes_are_refused(torch, name):
    refused = 0
    for info in infos(torch, name):
        for dtype in sorted(info.dtypes - {torch.float32, torch.float64, torch.bfloat16}, key=str):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # PyTorch's complex32 is experimental
                inputs = list(info.sample_inputs("cpu", dtype))
            for sample in inputs:
                with pytest.raises(fc.InvalidTypeError, match=r"^x: "):
                    FUNCTIONS[name](sample.input.detach().numpy(), None, *sample.args, **dict(sample.kwargs))
                refused += 1
    assert refused
