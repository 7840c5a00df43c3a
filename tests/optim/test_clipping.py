"""Gradients are clipped by their global norm and element by element, as functions and as stages of a chain."""

import numpy as np
import pytest

import fastconv as fc
from fastconv import optim
from optimizers import Parameter, make_parameters


def exact_norm(parameters):
    return float(np.sqrt(sum((p.grad.astype(np.longdouble) ** 2).sum() for p in parameters)))


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30, 1e-38])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_norm_neither_overflows_nor_vanishes(dtype, scale):
    parameters = make_parameters([(40, 50), (3,), (0,)], dtype)
    for p in parameters:
        p.grad *= dtype(scale)
    np.testing.assert_allclose(optim.global_norm(parameters), exact_norm(parameters), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "int64", "int8", ">f4", ">f8"])
def test_the_norm_of_other_dtypes_is_that_of_their_values(dtype):
    # Zeros behind it: reading on behind its end, as if elements were larger, would give another norm.
    gradient = np.array([3, -4] * 1001 + [0, 0] * 1001, dtype)[:2002]
    assert optim.global_norm([Parameter("w", gradient, gradient)]) == pytest.approx(5 * np.sqrt(1001))


def test_the_norm_of_many_elements_is_accurate():
    p = Parameter("w", None, np.random.default_rng(0).standard_normal((300, 7, 100)).astype(np.float32))
    np.testing.assert_allclose(optim.global_norm([p]), exact_norm([p]), rtol=1e-6)
    p.grad = p.grad.transpose(1, 2, 0)[:, ::2]
    np.testing.assert_allclose(optim.global_norm([p]), exact_norm([p]), rtol=1e-6)


def test_only_trainable_gradients_count():
    parameters = make_parameters([(2,), (2,), (2,)])
    parameters[0].grad = None
    parameters[1].trainable = False
    assert optim.global_norm(parameters) == pytest.approx(np.linalg.norm(parameters[2].grad))
    assert optim.global_norm(parameters[:2]) == optim.global_norm([]) == 0.0
    frozen = parameters[1].grad.copy()
    optim.clip_grad_norm(parameters, 1e-3)
    optim.clip_grad_value(parameters, 1e-4)
    np.testing.assert_array_equal(parameters[1].grad, frozen)
    assert np.abs(parameters[2].grad).max() <= 1e-4


@pytest.mark.parametrize(("value", "norm"), [(np.inf, np.inf), (-np.inf, np.inf), (np.nan, np.nan)])
def test_what_is_not_finite_shows_in_the_norm(value, norm):
    parameters = make_parameters()
    parameters[0].grad[1, 2] = value
    np.testing.assert_equal(optim.global_norm(parameters), norm)
    np.testing.assert_equal(optim.clip_grad_norm(parameters, 1.0), norm)
    assert np.isnan(parameters[0].grad[1, 2])


@pytest.mark.parametrize("max_norm", [0.5, 1e6])
def test_clipping_by_norm_scales_all_gradients_alike_or_leaves_them(max_norm):
    parameters = make_parameters()
    before = [p.grad.copy() for p in parameters]
    arrays = [p.grad for p in parameters]
    norm = optim.clip_grad_norm(parameters, max_norm)
    assert norm == pytest.approx(np.sqrt(sum((b**2).sum() for b in before)))
    for p, b, array in zip(parameters, before, arrays, strict=True):
        assert p.grad is array
        np.testing.assert_allclose(p.grad, b * min(1, max_norm / norm), rtol=1e-14)


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam, optim.RMSprop, optim.Adagrad, optim.AdamW])
def test_clipping_inside_an_optimizer_is_clipping_before_it(optimizer):
    inside, before = make_parameters(seed=3), make_parameters(seed=3)
    ours, plain = optimizer(inside, clip_norm=0.7, clip_value=0.2), optimizer(before)
    chained = make_parameters(seed=3)
    if optimizer is optim.SGD:
        optim.chain(optim.ClipByGlobalNorm(0.7), optim.ClipByValue(0.2), parameters=chained).step()
    gradients = [p.grad.copy() for p in inside]
    optim.clip_grad_norm(before, 0.7)
    optim.clip_grad_value(before, 0.2)
    ours.step()
    plain.step()
    for p, q, r, gradient in zip(inside, before, chained, gradients, strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-13)
        np.testing.assert_array_equal(p.grad, gradient)
        if optimizer is optim.SGD:
            np.testing.assert_array_equal(p.data, r.data)


def test_the_norm_is_of_all_groups_together():
    a, b = (Parameter(name, np.zeros(1), np.array([g])) for name, g in (("a", 3.0), ("b", 4.0)))
    optim.SGD([{"params": [a]}, {"params": [b]}], lr=1.0, clip_norm=1.0).step()
    np.testing.assert_allclose([a.data[0], b.data[0]], [-0.6, -0.8])


@pytest.mark.parametrize("call", [optim.clip_grad_norm, optim.clip_grad_value])
@pytest.mark.parametrize(("limit", "kind"), [(0, ValueError), (-1.0, ValueError), (float("nan"), ValueError), ("1", TypeError)])
def test_limits_that_are_none_are_refused(call, limit, kind):
    with pytest.raises(fc.FastconvError, match=r"^(max_norm|limit): got") as caught:
        call(make_parameters(), limit)
    assert isinstance(caught.value, kind)
