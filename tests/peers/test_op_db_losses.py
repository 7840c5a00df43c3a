"""Every sample and error input that PyTorch tests its own losses with."""

import importlib
import warnings

import numpy as np
import pytest

import fastconv as fc
from fastconv import nn

pytestmark = pytest.mark.peers

LOSSES = {
    "cross_entropy": nn.CrossEntropyLoss,
    "binary_cross_entropy_with_logits": nn.BCEWithLogitsLoss,
    "mse_loss": nn.MSELoss,
    "l1_loss": nn.L1Loss,
    "huber_loss": nn.HuberLoss,
    "kl_div": nn.KLDivLoss,
}
# Rounding of sums over a few hundred elements.
TOLERANCES = {"float32": 2e-6, "float64": 1e-14}


@pytest.fixture(scope="module")
def torch():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch")
        pytest.importorskip("expecttest")
        importlib.import_module("torch.testing._internal.common_methods_invocations")
    return torch


def info_of(torch, name):
    infos = torch.testing._internal.common_methods_invocations.op_db
    (info,) = [info for info in infos if info.name == f"nn.functional.{name}"]
    return info


def plain(value):
    return value.detach().numpy() if hasattr(value, "detach") else value


def assert_agrees(torch, name, x, target, options, dtype):
    """Value and gradient, against PyTorch's in float64."""
    wide = x.detach().double().requires_grad_()
    as_wide = {k: v.detach().double() if hasattr(v, "detach") else v for k, v in options.items()}
    peer_target = target.detach().double() if target.is_floating_point() else target
    with warnings.catch_warnings():
        # PyTorch tells that kl_div's mean is not the divergence's.
        warnings.simplefilter("ignore", UserWarning)
        peer = getattr(torch.nn.functional, name)(wide, peer_target, **as_wide)
    upstream = torch.from_numpy(np.random.default_rng(0).standard_normal(peer.shape))
    (gradient,) = torch.autograd.grad(peer, wide, upstream)
    loss = LOSSES[name](**{k: plain(v) for k, v in options.items()})
    value = loss(plain(x), plain(target))
    ours = loss.backward(upstream.numpy())
    assert ours.dtype == np.dtype(dtype) and ours.shape == tuple(x.shape)
    assert type(value) is float if options.get("reduction") != "none" else value.dtype == np.dtype(dtype)
    for got, expected in ((value, plain(peer)), (ours, gradient.numpy())):
        scale = max(1.0, float(np.abs(expected).max(initial=0)))
        np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCES[dtype] * scale, err_msg=f"{name} {options}")


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", LOSSES)
def test_every_sample_agrees(torch, name, dtype):
    torch.manual_seed(0)
    count = 0
    for sample in info_of(torch, name).sample_inputs("cpu", getattr(torch, dtype)):
        for form in (sample, sample.noncontiguous()):
            assert_agrees(torch, name, form.input, form.args[0], form.kwargs, dtype)
            count += 1
    assert count >= 12


@pytest.mark.parametrize("name", LOSSES)
def test_other_dtypes_are_refused(torch, name):
    count = 0
    for dtype in ("float16", "complex64", "int64"):
        x = torch.ones(2, 3, dtype=getattr(torch, dtype)).numpy()
        with pytest.raises(fc.InvalidTypeError, match=r"^predictions: got"):
            LOSSES[name]()(x, x)
        count += 1
    assert count == 3


@pytest.mark.parametrize("name", ["l1_loss", "huber_loss"])
def test_every_error_input_is_one_clear_error(torch, name):
    count = 0
    for error_input in info_of(torch, name).error_inputs("cpu"):
        sample = error_input.sample_input
        with pytest.raises(fc.FastconvError, match=r"^\w+: "):
            LOSSES[name](**sample.kwargs)(plain(sample.input), plain(sample.args[0]))
        count += 1
    assert count >= 2


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("targets", ["labels", "ignored", "distributions", "one-hot"])
@pytest.mark.parametrize("shape", [(6, 5), (5,), (2, 5, 3, 2)])
def test_cross_entropy_agrees_in_every_combination(torch, reduction, smoothing, weighted, targets, shape):
    rng = np.random.default_rng(0)
    x = torch.from_numpy(3 * rng.standard_normal(shape))
    per_sample = shape[:1] + shape[2:] if len(shape) > 1 else ()
    labels = torch.from_numpy(np.array(rng.integers(0, 5, per_sample)))
    options = {"reduction": reduction, "label_smoothing": smoothing}
    if weighted:
        options["weight"] = torch.from_numpy(rng.uniform(0.5, 2, 5))
    target = labels
    if targets == "distributions":
        target = torch.softmax(torch.from_numpy(rng.standard_normal(shape)), dim=min(1, len(shape) - 1))
    elif targets == "one-hot":
        target = torch.movedim(torch.nn.functional.one_hot(labels, 5), -1, min(1, len(shape) - 1)).double()
    elif targets == "ignored" and labels.ndim:
        options["ignore_index"] = int(labels.flatten()[0])
        labels.flatten()[0] = (options["ignore_index"] + 1) % 5
    assert_agrees(torch, "cross_entropy", x, target, options, "float64")
