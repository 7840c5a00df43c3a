"""Every loss: gradients against differences in float64, hand formulas, extreme values, clear errors."""

import copy
import pickle

import numpy as np
import pytest

import fastconv as fc
from fastconv import functional, nn

RNG = np.random.default_rng(0)
SHAPE = (4, 3, 2, 2)
LOGITS = 2 * RNG.standard_normal(SHAPE)
VALUES = RNG.standard_normal(SHAPE)
LABELS = RNG.integers(0, 3, (4, 2, 2))
DISTRIBUTIONS = functional.softmax(RNG.standard_normal(SHAPE))
ONE_HOT = np.moveaxis(np.eye(3)[LABELS], -1, 1)
SOFT = RNG.uniform(0, 1, SHAPE)
WEIGHT = np.array([0.5, 2.0, 1.25])
IGNORED = np.where(RNG.uniform(size=LABELS.shape) < 0.3, -100, LABELS)


def log_probabilities(z):
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def cross_entropy(z, q, per_sample_weight=None):
    """Of coefficients q; the mean is over samples, or weighted."""
    losses = -(q * log_probabilities(z)).sum(axis=1)
    return losses, (losses.size if per_sample_weight is None else per_sample_weight.sum())


def smoothed(q, s):
    return (1 - s) * q + s / 3


W = WEIGHT.reshape(1, 3, 1, 1)
KEPT = (IGNORED != -100).astype(float)


def bce(z, t, weight=1.0, pos_weight=1.0):
    s = 1 / (1 + np.exp(-z))
    losses = -weight * (pos_weight * t * np.log(s) + (1 - t) * np.log(1 - s))
    return losses, losses.size


def elementwise(function):
    return lambda z, t: (function(z, t), z.size)


# Name -> (class, options, predictions, targets, hand formula: (losses, what the mean's sum is divided by)).
CASES = {
    "cross-entropy of labels": (nn.CrossEntropyLoss, {}, LOGITS, LABELS, lambda z, t: cross_entropy(z, ONE_HOT)),
    "cross-entropy of distributions": (nn.CrossEntropyLoss, {}, LOGITS, DISTRIBUTIONS, cross_entropy),
    "cross-entropy of integer one-hot": (nn.CrossEntropyLoss, {}, LOGITS, ONE_HOT.astype(int), cross_entropy),
    "cross-entropy smoothed": (
        nn.CrossEntropyLoss,
        {"label_smoothing": 0.2},
        LOGITS,
        LABELS,
        lambda z, t: cross_entropy(z, smoothed(ONE_HOT, 0.2)),
    ),
    "cross-entropy weighted": (
        nn.CrossEntropyLoss,
        {"weight": WEIGHT},
        LOGITS,
        LABELS,
        lambda z, t: cross_entropy(z, ONE_HOT * W, WEIGHT[LABELS]),
    ),
    "cross-entropy weighted and smoothed": (
        nn.CrossEntropyLoss,
        {"weight": WEIGHT.tolist(), "label_smoothing": 0.2},
        LOGITS,
        LABELS,
        lambda z, t: cross_entropy(z, smoothed(ONE_HOT, 0.2) * W, WEIGHT[LABELS]),
    ),
    "cross-entropy of distributions weighted and smoothed": (
        nn.CrossEntropyLoss,
        {"weight": WEIGHT, "label_smoothing": 0.2},
        LOGITS,
        DISTRIBUTIONS,
        lambda z, t: cross_entropy(z, smoothed(t, 0.2) * W),
    ),
    "cross-entropy with ignored samples": (
        nn.CrossEntropyLoss,
        {"weight": WEIGHT, "label_smoothing": 0.2},
        LOGITS,
        IGNORED,
        lambda z, t: cross_entropy(z, smoothed(ONE_HOT, 0.2) * W * KEPT[:, None], WEIGHT[LABELS] * KEPT),
    ),
    "bce": (nn.BCEWithLogitsLoss, {}, LOGITS, SOFT, bce),
    "bce weighted": (
        nn.BCEWithLogitsLoss,
        {"weight": W, "pos_weight": [[2.0], [0.5]]},
        LOGITS,
        SOFT,
        lambda z, t: bce(z, t, W, np.array([[2.0], [0.5]])),
    ),
    "mse": (nn.MSELoss, {}, LOGITS, VALUES, elementwise(lambda z, t: (z - t) ** 2)),
    "l1": (nn.L1Loss, {}, LOGITS, VALUES, elementwise(lambda z, t: np.abs(z - t))),
    "huber": (
        nn.HuberLoss,
        {"delta": 0.7},
        LOGITS,
        VALUES,
        elementwise(lambda z, t: np.where(np.abs(z - t) <= 0.7, (z - t) ** 2 / 2, 0.7 * (np.abs(z - t) - 0.35))),
    ),
    "kl": (
        nn.KLDivLoss,
        {},
        log_probabilities(LOGITS),
        DISTRIBUTIONS,
        elementwise(lambda x, t: t * (np.log(t) - x)),
    ),
    "kl of log-probabilities": (
        nn.KLDivLoss,
        {"log_target": True},
        log_probabilities(LOGITS),
        np.log(DISTRIBUTIONS),
        elementwise(lambda x, t: np.exp(t) * (t - x)),
    ),
}
REDUCTIONS = ("mean", "sum", "none")


def channels_last(array):
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", CASES)
def test_values_by_hand(case, reduction):
    cls, options, predictions, targets, by_hand = CASES[case]
    losses, divisor = by_hand(predictions, targets)
    expected = {"none": losses, "sum": losses.sum(), "mean": losses.sum() / divisor}[reduction]
    loss = cls(**options, reduction=reduction)
    value = loss.forward(predictions, targets)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_array_equal(loss(predictions, targets), value)
    assert type(value) is float or (reduction == "none" and value.dtype == predictions.dtype)


@pytest.mark.parametrize("form", [np.ascontiguousarray, channels_last], ids=["contiguous", "channels-last"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", CASES)
def test_gradients_agree_with_differences(case, reduction, form):
    cls, options, predictions, targets, _ = CASES[case]
    predictions = form(predictions.copy())
    loss = cls(**options, reduction=reduction)
    upstream = np.random.default_rng(1).standard_normal(np.shape(loss(predictions, targets)))
    gradient = loss.backward(upstream)
    assert gradient.shape == predictions.shape and gradient.dtype == predictions.dtype
    step, numerical = 1e-6, np.empty(predictions.shape)
    for index in np.ndindex(*predictions.shape):
        ends = []
        for sign in (1, -1):
            moved = predictions.copy()
            moved[index] += sign * step
            ends.append(np.sum(loss(moved, targets) * upstream))
        numerical[index] = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(gradient, numerical, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("scale", [1e4, -1e4])
@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("kl")])
def test_extreme_predictions_stay_finite_and_exact(case, scale):
    cls, options, predictions, targets, _ = CASES[case]
    results = []
    for dtype in (np.float32, np.float64):
        extreme = (predictions * scale).astype(np.float32).astype(dtype)
        loss = cls(**options)
        results.append((loss(extreme, targets.astype(dtype) if targets.dtype.kind == "f" else targets), loss.backward()))
        assert np.isfinite(results[-1][0]) and np.isfinite(results[-1][1]).all() and results[-1][1].dtype == dtype
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-5)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-4, atol=1e-6)


def test_the_gradient_of_cross_entropy_is_probability_minus_target():
    z, labels = LOGITS[:, :, 0, 0], LABELS[:, 0, 0]
    loss = nn.CrossEntropyLoss()
    loss(z, labels)
    np.testing.assert_allclose(loss.backward(), (functional.softmax(z) - np.eye(3)[labels]) / 4, rtol=1e-12, atol=1e-16)


def test_an_impossible_class_costs_nothing_unless_it_is_the_target():
    z = np.array([[-np.inf, 0.0, 0.0]], np.float32)
    loss = nn.CrossEntropyLoss()
    assert loss(z, np.array([1])) == pytest.approx(np.log(2))
    np.testing.assert_allclose(loss.backward(), [[0, -0.5, 0.5]], atol=1e-7)
    assert loss(z, np.array([[0.0, 0.5, 0.5]])) == pytest.approx(np.log(2))
    assert loss(z, np.array([0])) == np.inf


def test_zero_probability_costs_nothing_in_the_divergence():
    loss = nn.KLDivLoss(reduction="batchmean")
    assert loss(np.log([[0.5, 0.5], [0.5, 0.5]]), np.array([[1.0, 0.0], [0.5, 0.5]])) == pytest.approx(np.log(2) / 2)
    np.testing.assert_allclose(loss.backward(), [[-0.5, 0], [-0.25, -0.25]])


@pytest.mark.parametrize("case", CASES)
def test_an_empty_batch_costs_nothing(case):
    cls, options, predictions, targets, _ = CASES[case]
    for reduction, expected in (("mean", 0.0), ("sum", 0.0)):
        loss = cls(**options, reduction=reduction)
        assert loss(predictions[:0], targets[:0]) == expected
        assert loss.backward().shape == (0, 3, 2, 2)


def test_ignored_samples_alone_cost_nothing():
    loss = nn.CrossEntropyLoss(ignore_index=1, label_smoothing=0.1)
    assert loss(LOGITS, np.ones_like(LABELS)) == 0.0
    assert not loss.backward().any()


@pytest.mark.parametrize("case", CASES)
def test_inputs_are_left_alone_and_losses_copy(case):
    cls, options, predictions, targets, _ = CASES[case]
    before = predictions.copy(), targets.copy()
    loss = cls(**options)
    value = loss(predictions, targets)
    loss.backward()
    np.testing.assert_array_equal(predictions, before[0])
    np.testing.assert_array_equal(targets, before[1])
    for twin in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        with pytest.raises(fc.InvalidArgumentError, match=r"^backward: there was no forward"):
            twin.backward()
        assert twin(predictions, targets) == value


def test_distillation_at_a_temperature():
    student, teacher, temperature = LOGITS[:, :, 0, 0], VALUES[:, :, 0, 0], 3.0
    loss = nn.KLDivLoss(reduction="batchmean")

    def value(z):
        return loss(functional.log_softmax(z, temperature=temperature), functional.softmax(teacher, temperature=temperature))

    value(student)
    log_p = functional.log_softmax(student, temperature=temperature)
    gradient = functional.log_softmax_grad(loss.backward(), log_p, temperature=temperature)
    p, q = np.exp(student / temperature), functional.softmax(teacher, temperature=temperature)
    p /= p.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(gradient, (p - q) / temperature / len(student), rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(np.exp(log_p), p, rtol=1e-12)


X = np.zeros((2, 3), np.float32)
ERRORS = {
    "reduction": (lambda: nn.MSELoss(reduction="abc"), ValueError, "reduction: got 'abc', expected one of mean, sum, none"),
    "delta": (lambda: nn.HuberLoss(delta=0), ValueError, "delta: got 0"),
    "smoothing": (lambda: nn.CrossEntropyLoss(label_smoothing=1.5), ValueError, "label_smoothing: got 1.5"),
    "weight of two axes": (lambda: nn.CrossEntropyLoss(weight=X), ValueError, r"weight: shape is \(2, 3\)"),
    "weight of another length": (lambda: nn.CrossEntropyLoss(weight=[1, 2])(X, [0, 1]), ValueError, r"weight: shape is \(2,\)"),
    "weight of text": (lambda: nn.CrossEntropyLoss(weight="balanced"), TypeError, "weight: got"),
    "ignore_index": (lambda: nn.CrossEntropyLoss(ignore_index=1.0), TypeError, "ignore_index: got 1.0"),
    "a list": (lambda: nn.MSELoss()([1.0], [1.0]), TypeError, "predictions: got list"),
    "integer predictions": (lambda: nn.MSELoss()(np.ones(2, int), np.ones(2)), TypeError, "predictions: got int64"),
    "text targets": (lambda: nn.MSELoss()(X, np.full((2, 3), "a")), TypeError, "targets: got"),
    "other shape": (lambda: nn.L1Loss()(X, X.T), ValueError, r"targets: shape is \(3, 2\), expected \(2, 3\)"),
    "broadcast": (lambda: nn.MSELoss()(X, X[:1]), ValueError, r"targets: shape is \(1, 3\)"),
    "bce weight": (lambda: nn.BCEWithLogitsLoss(weight=[1, 2])(X, X), ValueError, r"weight: shape is \(2,\)"),
    "bce pos_weight": (lambda: nn.BCEWithLogitsLoss(pos_weight=[1, 2])(X, X), ValueError, r"pos_weight: shape is \(2,\)"),
    "label too large": (
        lambda: nn.CrossEntropyLoss()(X, np.array([0, 3])),
        ValueError,
        r"targets: label 3 at \(1,\) is out of range, expected 0 to 2 for 3 classes",
    ),
    "label negative": (lambda: nn.CrossEntropyLoss()(X, np.array([-1, 0])), ValueError, r"targets: label -1 at \(0,\)"),
    "float labels": (lambda: nn.CrossEntropyLoss()(X, np.zeros(2)), TypeError, "targets: got float64, expected integer labels"),
    "label shape": (
        lambda: nn.CrossEntropyLoss()(X, np.zeros(3, int)),
        ValueError,
        r"targets: shape is \(3,\), expected labels",
    ),
    "no axes": (lambda: nn.CrossEntropyLoss()(np.array(1.0), 0), ValueError, r"predictions: shape is \(\)"),
    "no classes": (lambda: nn.CrossEntropyLoss()(X[:, :0], [0, 0]), ValueError, r"predictions: shape is \(2, 0\)"),
    "temperature": (lambda: functional.softmax(X, temperature=0), ValueError, "temperature: got 0"),
    "no forward": (lambda: nn.MSELoss().backward(), ValueError, "backward: there was no forward"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_every_bad_argument_is_one_clear_error(case):
    call, kind, message = ERRORS[case]
    with pytest.raises(fc.FastconvError, match=f"^{message}") as caught:
        call()
    assert isinstance(caught.value, kind)


def test_a_gradient_of_another_shape_is_refused():
    for reduction, wrong in (("mean", np.ones((2, 3))), ("none", np.ones(3))):
        loss = nn.MSELoss(reduction=reduction)
        loss(X, X)
        with pytest.raises(fc.InvalidArgumentError, match=r"^gradient: shape is"):
            loss.backward(wrong)
