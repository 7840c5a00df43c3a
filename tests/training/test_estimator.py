import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import fastconv as fc
from fastconv.training import CNNClassifier

EXPECTED_FAILURES = {
    "check_methods_subset_invariance": "float32 sums of a sample alone and in a batch differ by 5e-7, allowed is 1e-7"
}
EXPECTED_BY_PLACE = {
    "check_methods_sample_order_invariance": "the BLAS at work here rounds by a row's place in a matrix: sums differ by 1e-7"
}
FAST = {"epochs": 3, "batch_size": 32, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    x, y = fc.data.digits()[:600]
    return x[:400], y[:400], x[400:], y[400:]


def blas_rounds_by_place():
    """Whether the same row has another product elsewhere in a matrix: so with OpenBLAS's kernels for AVX2, not for AVX-512."""
    rng = np.random.default_rng(0)
    a, b, order = rng.random((20, 192), np.float32), rng.random((192, 32), np.float32), rng.permutation(20)
    return not np.array_equal(a[order] @ b, (a @ b)[order])


def test_scikit_learns_checks_pass():
    expected = EXPECTED_FAILURES | (EXPECTED_BY_PLACE if blas_rounds_by_place() else {})
    found = check_estimator(
        CNNClassifier(epochs=10, batch_size=16, random_state=0), expected_failed_checks=expected, on_skip=None
    )
    assert sum(check["status"] == "passed" for check in found) > 40
    assert {check["status"] for check in found} <= {"passed", "xfail", "skipped"}


def test_scores_belong_to_their_samples(digits):
    x, y, x_test, _ = digits
    classifier = CNNClassifier(**FAST).fit(x, y)
    order = np.random.default_rng(0).permutation(len(x_test))
    scores = classifier.decision_function(x_test)
    np.testing.assert_allclose(classifier.decision_function(x_test[order]), scores[order], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "names", [list("abcdefghij"), [f"n{i}" for i in range(10)], list(range(-5, 5)), [float(i) for i in range(10)]]
)
def test_labels_of_any_type(digits, names):
    x, y, x_test, y_test = digits
    names = np.array(names)
    classifier = CNNClassifier(**FAST).fit(x, names[y])
    assert classifier.predict(x_test).dtype == names.dtype
    assert classifier.score(x_test, names[y_test]) > 0.8
    np.testing.assert_array_equal(classifier.classes_, np.unique(names))
    probabilities = classifier.predict_proba(x_test)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(classifier.classes_[probabilities.argmax(axis=1)], classifier.predict(x_test))


def test_rows_and_images_are_the_same_data(digits):
    x, y, x_test, _ = digits
    images = CNNClassifier(**FAST).fit(x, y)
    rows = CNNClassifier(**FAST, image_shape=(1, 8, 8)).fit(x.reshape(len(x), -1), y)
    guessed = CNNClassifier(**FAST).fit(x.reshape(len(x), -1), y)
    expected = images.predict_proba(x_test)
    for other in (rows, guessed):
        assert other.image_shape_ == (1, 8, 8) and other.n_features_in_ == 64 == images.n_features_in_
        np.testing.assert_array_equal(other.predict_proba(x_test.reshape(len(x_test), -1)), expected)
    np.testing.assert_array_equal(images.predict_proba(x_test.reshape(len(x_test), -1)), expected)


def test_it_works_in_pipelines_searches_and_clones(digits):
    x, y, x_test, y_test = digits
    rows = x.reshape(len(x), -1)
    pipeline = make_pipeline(StandardScaler(), CNNClassifier(**FAST)).fit(rows, y)
    assert pipeline.score(x_test.reshape(len(x_test), -1), y_test) > 0.8
    search = GridSearchCV(CNNClassifier(**FAST), {"learning_rate": [1e-7, 1e-2]}, cv=2).fit(x, y)
    assert search.best_params_ == {"learning_rate": 1e-2}
    assert clone(search.best_estimator_).get_params() == search.best_estimator_.get_params()
    assert cross_val_score(CNNClassifier(**FAST), x, y, cv=2).min() > 0.8


@pytest.mark.parametrize(
    "parameters",
    [
        {"model": "simple_cnn", "optimizer": "adam", "learning_rate": 3e-3},
        {"model": lambda shape, count, rng: fc.models.simple_cnn(shape, count, dropout=0.1, rng=rng)},
        {"optimizer": "sgd", "learning_rate": 0.1, "schedule": "cosine"},
        {"optimizer": lambda lr: fc.optim.RMSprop(lr=lr), "schedule": None, "learning_rate": 1e-3},
        {"augmentation": [fc.data.RandomRotation(5)]},
        {"early_stopping": True, "validation_fraction": 0.2, "epochs": 6},
    ],
    ids=["name", "callable", "sgd", "rmsprop", "augmentation", "early stopping"],
)
def test_its_parameters_reach_the_training(digits, parameters):
    x, y, x_test, y_test = digits
    classifier = CNNClassifier(**{**FAST, "epochs": 4, **parameters}).fit(x, y)
    assert classifier.score(x_test, y_test) > 0.7
    assert classifier.n_iter_ == len(classifier.history_) <= classifier.epochs
    assert ("val_accuracy" in classifier.history_) == classifier.early_stopping


@pytest.mark.parametrize("n", [1, 2, 33, 65, 129])
def test_no_batch_of_one_sample_stops_batch_normalisation(n):
    x = np.random.default_rng(0).standard_normal((n, 2))
    classifier = CNNClassifier(epochs=1, batch_size=32, image_shape=(2, 1, 1), random_state=0)
    if n == 1:
        with pytest.raises(ValueError, match="minimum of 2 is required"):
            classifier.fit(x, [0])
    else:
        assert classifier.fit(x, np.arange(n) % 2).predict(x).shape == (n,)


@pytest.mark.parametrize(
    "parameters, match",
    [
        ({"model": "resnet19"}, "model"),
        ({"optimizer": "adamax"}, "optimizer"),
        ({"schedule": "linear"}, "schedule"),
        ({"image_shape": (1, 7, 9)}, "image_shape"),
        ({"image_shape": (8, 8)}, "image_shape"),
    ],
)
def test_parameters_that_cannot_be_are_refused(digits, parameters, match):
    with pytest.raises(ValueError, match=match):
        CNNClassifier(**{**FAST, **parameters}).fit(digits[0], digits[1])


def test_images_of_another_shape_are_refused(digits):
    classifier = CNNClassifier(**FAST).fit(digits[0][:50], digits[1][:50])
    with pytest.raises(ValueError, match=r"X: got shape \(2, 1, 4, 16\), expected \(n, 1, 8, 8\)"):
        classifier.predict(np.zeros((2, 1, 4, 16), np.float32))
