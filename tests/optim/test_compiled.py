"""The compiled stages do what kernels/update.h says, for every size and number of threads, and beside stages of others."""

import numpy as np
import pytest

import fastconv as fc
from fastconv import optim
from fastconv.kernels import cpu
from optimizers import Parameter


def momentum(u, p, s, a, b, c):
    s[0] = a * s[0] + b * u
    return s[0]


def nesterov(u, p, s, a, b, c):
    s[0] = a * s[0] + b * u
    return u + c * s[0]


def adam(u, p, s, a, b, c, d):
    s[0], s[1] = a * s[0] + u, b * s[1] + u**2
    return s[0] / (c * np.sqrt(s[1]) + d)


def amsgrad(u, p, s, a, b, c, d):
    s[0], s[1] = a * s[0] + u, b * s[1] + u**2
    s[2] = np.maximum(s[1], s[2])
    return s[0] / (c * np.sqrt(s[2]) + d)


def rms(u, p, s, a, b, c):
    s[0] = a * s[0] + b * u**2
    return u / (np.sqrt(s[0]) + c)


def centered(u, p, s, a, b, c):
    s[0], s[1] = a * s[0] + b * u**2, a * s[1] + b * u
    return u / (np.sqrt(np.maximum(s[0] - s[1] ** 2, 0)) + c)


def adagrad(u, p, s, a, b):
    s[0] = s[0] + u**2
    return u / (a * np.sqrt(s[0]) + b)


# Operation -> (its formula, its numbers, how many arrays it keeps).
OPERATIONS = {
    "scale": (lambda u, p, s, a: a * u, (-0.3,), 0),
    "clip": (lambda u, p, s, a: np.clip(u, -a, a), (0.8,), 0),
    "decay": (lambda u, p, s, a: u + a * p, (0.1,), 0),
    "momentum": (momentum, (0.9, 0.7, 0.0), 1),
    "nesterov": (nesterov, (0.9, 0.7, 0.5), 1),
    "adam": (adam, (0.9, 0.99, 1.5, 1e-3), 2),
    "amsgrad": (amsgrad, (0.9, 0.99, 1.5, 1e-3), 3),
    "rms": (rms, (0.9, 0.1, 1e-3), 1),
    "centered": (centered, (0.9, 0.1, 1e-1), 2),
    "adagrad": (adagrad, (1.1, 1e-3), 1),
}
# Around vectors, blocks of 4096 bytes, and shares of threads.
SIZES = (1, 3, 17, 511, 512, 1025, 20011)
LR = 0.25


def case(kept, size, dtype):
    rng = np.random.default_rng(size)
    # The first is a mean square too: above the square of any mean.
    arrays = [(np.abs(rng.standard_normal(size)) + 30 * (i == 0)).astype(dtype) for i in range(kept)]
    return rng.standard_normal(size).astype(dtype), rng.standard_normal(size).astype(dtype), arrays


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_is_its_formula_for_every_size_and_number_of_threads(isa, operation, dtype):
    formula, numbers, kept = OPERATIONS[operation]
    tolerance = 64 * np.finfo(dtype).eps
    for size in SIZES:
        u, p, arrays = case(kept, size, dtype)
        states = [a.astype(np.float64) for a in arrays]
        expected = formula(u.astype(np.float64), p.astype(np.float64), states, *numbers)
        for threads in (1, 2, 3):
            data, own, gradient = p.copy(), [a.copy() for a in arrays], u.copy()
            cpu.kernels().update(gradient, data, [(operation, numbers, own)], LR, None, threads)
            np.testing.assert_allclose(data, p - LR * expected, rtol=tolerance, atol=tolerance)
            for mine, state in zip(own, states, strict=True):
                np.testing.assert_allclose(mine, state, rtol=tolerance, atol=tolerance)
            np.testing.assert_array_equal(gradient, u)
            # The result by itself, over the gradient.
            data, own = p.copy(), [a.copy() for a in arrays]
            cpu.kernels().update(gradient, data, [(operation, numbers, own)], LR, gradient, threads)
            np.testing.assert_allclose(gradient, expected, rtol=tolerance, atol=tolerance)
            np.testing.assert_array_equal(data, p)


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_nan_stays_nan_and_touches_its_own_element_only(isa, operation):
    _, numbers, kept = OPERATIONS[operation]
    u, p, arrays = case(kept, 100, np.float32)
    u[[7, 99]] = np.nan
    cpu.kernels().update(u, p, [(operation, numbers, arrays)], LR, None, 1)
    assert list(np.flatnonzero(np.isnan(p))) == [7, 99]
    # What has become NaN in the state stays so.
    if kept:
        cpu.kernels().update(np.ones_like(u), p, [(operation, numbers, arrays)], LR, None, 1)
        assert all(list(np.flatnonzero(np.isnan(a))) == [7, 99] for a in arrays)


@pytest.mark.parametrize("isa", cpu.available(), indirect=True)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_sum_of_squares_is_the_same_for_any_number_of_threads(isa, dtype):
    for size in (0, *SIZES):
        x = case(0, size, dtype)[0]
        sums = [cpu.kernels().sum_of_squares(x, threads) for threads in (1, 2, 3)]
        assert sums == sums[:1] * 3
        np.testing.assert_allclose(sums[0], (x.astype(np.float64) ** 2).sum(), rtol=64 * np.finfo(dtype).eps)


class Doubled(optim.Transformation):
    def apply(self, update, data, state, coefficients, out, work):
        return np.multiply(update, 2, out=out)


class Careless(optim.Transformation):
    """Returns an array of its own, of another dtype and with gaps."""

    def apply(self, update, data, state, coefficients, out, work):
        return np.repeat(update.astype(np.float64) * 2, 2)[::2]


class Wrong(optim.Transformation):
    def apply(self, update, data, state, coefficients, out, work):
        return update[:1]


class HalvedMomentum(optim.Momentum):
    def apply(self, update, data, state, coefficients, out, work):
        return np.multiply(super().apply(update, data, state, coefficients, out, work), 0.5, out=out)


@pytest.mark.parametrize("stage", [Doubled, Careless])
def test_stages_of_others_stand_beside_compiled_ones(stage):
    a, b = (Parameter("w", np.ones(70000, np.float32), np.full(70000, 3, np.float32)) for _ in range(2))
    mixed = optim.chain(optim.ClipByValue(1.0), stage(), optim.Momentum(0.5), parameters=[a], lr=0.5)
    compiled = optim.SGD([b], lr=1.0, momentum=0.5, clip_value=1.0)
    for _ in range(3):
        mixed.step()
        compiled.step()
    np.testing.assert_array_equal(a.data, b.data)


def test_a_compiled_stage_may_be_overridden():
    a, b = (Parameter("w", np.ones(5), np.ones(5)) for _ in range(2))
    halved, usual = optim.chain(HalvedMomentum(0.5), parameters=[a], lr=0.5), optim.SGD([b], lr=0.25, momentum=0.5)
    for _ in range(3):
        halved.step()
        usual.step()
    np.testing.assert_array_equal(a.data, b.data)


def test_an_update_of_another_shape_is_one_clear_error():
    p = Parameter("w", np.ones(4), np.ones(4))
    optimizer = optim.chain(Wrong(), optim.Momentum(0.5), parameters=[p])
    with pytest.raises(fc.InvalidArgumentError, match=r"^transformations: an update has shape \(1,\), expected \(4,\)"):
        optimizer.step()
