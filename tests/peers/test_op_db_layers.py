"""PyTorch's samples of linear, dropout, concatenation and sums through the layers, gradients included."""

import collections
import importlib
import warnings

import numpy as np
import pytest

import fastconv as fc
from fastconv import nn

pytestmark = pytest.mark.peers

DTYPES = ("float32", "float64")
# Of the largest value of each result; float32 is compared with PyTorch's float64.
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


@pytest.fixture(scope="module")
def torch():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch")
        pytest.importorskip("expecttest")
        importlib.import_module("torch.testing._internal.common_methods_invocations")
    return torch


def samples(torch, name, dtype):
    torch.manual_seed(0)
    infos = [info for info in torch.testing._internal.common_methods_invocations.op_db if info.name == name]
    assert infos
    for info in infos:
        for sample in info.sample_inputs("cpu", getattr(torch, dtype)):
            yield info, sample
            yield info, sample.noncontiguous()


def assert_agree(actual, expected, dtype):
    expected = expected.detach().numpy()
    assert actual.shape == expected.shape and actual.dtype == dtype
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE[dtype] * max(1, np.abs(expected).max(initial=0)))


def wide(tensors):
    return [t.detach().double().requires_grad_() for t in tensors]


def random_gradient(ty, dtype):
    return np.random.default_rng(0).standard_normal(tuple(ty.shape)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_sample_of_linear_agrees_with_dense(torch, dtype):
    runs = collections.Counter()
    for _, sample in samples(torch, "nn.functional.linear", dtype):
        tensors = [sample.input, *sample.args]
        x, w, *b = (t.detach().numpy() for t in tensors)
        if w.ndim != 2:  # one output without an axis
            runs["vectors"] += 1
            continue
        dense = nn.Dense(w.shape[0], w.shape[1], bias=bool(b), dtype=dtype)
        for parameter, value in zip(dense.parameters(), (w.T, *b), strict=True):
            parameter.data = np.broadcast_to(value, parameter.shape)
        if x.ndim != 2:
            with pytest.raises(fc.InvalidArgumentError, match=rf"^Dense: got input of shape .*expected \(n, {w.shape[1]}\)"):
                dense.forward(x)
            runs["refused"] += 1
            # The same by rows.
            rows = int(np.prod(x.shape[:-1]))
            x, tensors[0] = x.reshape(rows, x.shape[-1]), tensors[0].reshape(rows, x.shape[-1])
        leaves = wide(tensors)
        ty = torch.nn.functional.linear(*leaves)
        gy = random_gradient(ty, dtype)
        grads = torch.autograd.grad(ty, leaves, torch.from_numpy(gy).double())
        assert_agree(dense.forward(x), ty, dtype)
        assert_agree(dense.backward(gy), grads[0], dtype)
        assert_agree(dense.weight.grad, grads[1].T, dtype)
        for gradient in grads[2:]:
            assert_agree(dense.parameters()[1].grad, gradient.expand(ty.shape[1]) if gradient.ndim else gradient, dtype)
        runs["compared"] += 1
    assert runs["compared"] >= 10 and runs["refused"] >= 1


@pytest.mark.parametrize(("name", "kind"), [("dropout", nn.Dropout), ("dropout2d", nn.SpatialDropout)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_sample_of_dropout_keeps_the_same_share(torch, name, kind, dtype):
    compared = 0
    for info, sample in samples(torch, f"nn.functional.{name}", dtype):
        tx, rate = sample.input, sample.kwargs.get("p", 0.5)
        if kind is nn.SpatialDropout and tx.ndim != 4:
            with pytest.raises(fc.InvalidArgumentError, match=r"^SpatialDropout: got input of shape .*expected \(n, c, h, w\)"):
                kind(rate, dtype=dtype).forward(tx.detach().numpy())
            continue
        ones = np.ones(tx.shape, dtype)
        layer = kind(rate, rng=0, dtype=dtype).train(sample.kwargs.get("training", True))
        mine, theirs = layer.forward(ones), info.op(torch.from_numpy(ones), **{**sample.kwargs, "inplace": False}).numpy()
        assert mine.shape == theirs.shape and mine.dtype == theirs.dtype
        values = set(np.unique(mine)) | set(np.unique(theirs))
        # Nothing but zeros and one other value, the same of both up to the rounding of the rate.
        assert all(min(abs(v), abs(v - 1 / (1 - rate)) if rate < 1 else abs(v), abs(v - 1)) < 1e-3 for v in values)
        if not layer.training or rate in (0, 1):
            assert np.array_equal(mine, theirs)
        else:
            shares = [(layer.forward(ones) != 0).mean() for _ in range(200)]
            drawn = ones.size if kind is nn.Dropout else ones.shape[0] * ones.shape[1]
            assert abs(np.mean(shares) - (1 - rate)) <= 5 * np.sqrt(rate * (1 - rate) / (200 * max(1, drawn)))
        compared += 1
    assert compared >= 10


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_sample_of_cat_agrees_with_concat(torch, dtype):
    runs = collections.Counter()
    for _, sample in samples(torch, "cat", dtype):
        tensors, axis = sample.input, sample.kwargs.get("dim", sample.args[0] if sample.args else 0)
        xs = [t.detach().numpy() for t in tensors]
        # PyTorch leaves out empty vectors whatever the others are, for the sake of old programs.
        if axis % xs[0].ndim == 0 or len({x.ndim for x in xs}) > 1:
            with pytest.raises(fc.InvalidArgumentError, match=r"^Concat: got inputs of shapes"):
                nn.Concat(axis).forward(*xs)
            runs["refused"] += 1
            continue
        leaves = wide(tensors)
        ty = torch.cat(leaves, axis)
        gy = random_gradient(ty, dtype)
        layer = nn.Concat(axis, dtype=dtype)
        assert_agree(layer.forward(*xs), ty, dtype)
        for mine, theirs in zip(
            layer.backward(gy), torch.autograd.grad(ty, leaves, torch.from_numpy(gy).double()), strict=True
        ):
            assert_agree(mine, theirs, dtype)
        runs["compared"] += 1
    assert runs["compared"] >= 5 and runs["refused"] >= 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_sample_of_add_agrees_or_is_refused(torch, dtype):
    runs = collections.Counter()
    for _, sample in samples(torch, "add", dtype):
        tensors = [sample.input, *sample.args]
        if not all(torch.is_tensor(t) for t in tensors) or "alpha" in sample.kwargs:
            continue
        xs = [t.detach().numpy() for t in tensors]
        if xs[0].shape != xs[1].shape:
            with pytest.raises(fc.InvalidArgumentError, match=r"^Add: got inputs of shapes .*expected two or more"):
                nn.Add().forward(*xs)
            runs["refused"] += 1
        else:
            assert_agree(nn.Add(dtype=dtype).forward(*xs), torch.add(*wide(tensors)), dtype)
            runs["compared"] += 1
    assert runs["compared"] >= 1 and runs["refused"] >= 1


def test_error_inputs_of_cat_are_one_clear_error(torch):
    count = 0
    (info,) = [info for info in torch.testing._internal.common_methods_invocations.op_db if info.name == "cat"]
    for error_input in info.error_inputs("cpu"):
        sample = error_input.sample_input
        xs = sample.input
        if not isinstance(xs, (list, tuple)) or "out" in sample.kwargs or not all(torch.is_tensor(x) for x in xs):
            continue
        if len({x.dtype for x in xs}) > 1 or len({x.device for x in xs}) > 1:
            continue
        with pytest.raises(fc.InvalidArgumentError, match=r"^Concat: got inputs of shapes"):
            nn.Concat(sample.kwargs.get("dim", 0)).forward(*(x.detach().numpy() for x in xs))
        count += 1
    assert count >= 2
