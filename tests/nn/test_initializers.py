"""Initial weights have the variance that their formula asks for; orthogonal ones are orthogonal."""

import numpy as np
import pytest

import fastconv as fc
from fastconv.nn import initializers

# Shape, groups -> (n_in, n_out).
FANS = {
    ((64, 32, 3, 3), 1): (288, 576),
    ((96, 8, 5, 3), 12): (120, 120),
    ((512, 1, 7, 7), 256): (49, 98),
    ((300, 200), 1): (300, 200),
    ((200, 40, 3), 1): (120, 600),
}
VARIANCES = {
    "he_normal": lambda n_in, n_out: 2 / n_in,
    "he_uniform": lambda n_in, n_out: 2 / n_in,
    "xavier_normal": lambda n_in, n_out: 2 / (n_in + n_out),
    "xavier_uniform": lambda n_in, n_out: 2 / (n_in + n_out),
    "glorot_normal": lambda n_in, n_out: 2 / (n_in + n_out),
    "glorot_uniform": lambda n_in, n_out: 2 / (n_in + n_out),
    "xavier_normal_in": lambda n_in, n_out: 1 / n_in,
    "lecun_normal": lambda n_in, n_out: 1 / n_in,
}
DTYPES = (np.float32, np.float64)


@pytest.mark.parametrize(("shape", "groups"), FANS)
def test_fans(shape, groups):
    assert initializers.fans(shape, groups) == FANS[shape, groups]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "groups"), FANS)
@pytest.mark.parametrize("name", VARIANCES)
def test_mean_and_variance(name, shape, groups, dtype):
    w = initializers.get(name)(shape, rng=1, dtype=dtype, groups=groups)
    assert w.shape == shape and w.dtype == dtype
    variance = VARIANCES[name](*FANS[shape, groups])
    # Five standard errors; of the variance that is sqrt((kurtosis - 1) / n), with a kurtosis of 3 (normal) or 9/5 (uniform).
    n, kurtosis = w.size, 1.8 if name.endswith("uniform") else 3
    assert abs(w.mean(dtype=float)) < 5 * np.sqrt(variance / n)
    assert abs(w.var(dtype=float) / variance - 1) < 5 * np.sqrt((kurtosis - 1) / n)
    if name.endswith("uniform"):
        bound = np.sqrt(3 * variance)
        assert 0.99 * bound < np.abs(w).max() <= bound * (1 + 1e-6)
    else:
        assert np.abs(w).max() > 3 * np.sqrt(variance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gain", [1.0, np.sqrt(2)])
@pytest.mark.parametrize(
    ("shape", "groups"), [((8, 4, 3, 3), 1), ((64, 2, 3, 3), 1), ((12, 3, 3, 3), 4), ((5, 9), 1), ((9, 5), 1), ((6, 6), 1)]
)
def test_orthogonal_weights_are_orthogonal(shape, groups, gain, dtype):
    w = initializers.orthogonal(shape, rng=0, dtype=dtype, groups=groups, gain=gain)
    assert w.shape == shape and w.dtype == dtype
    matrices = w.astype(float).reshape(groups, shape[0] // groups, -1)
    for matrix in matrices:
        product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
        np.testing.assert_allclose(product, gain**2 * np.eye(len(product)), rtol=0, atol=8 * np.finfo(dtype).eps)
    assert groups == 1 or not np.array_equal(matrices[0], matrices[1])


def test_orthogonal_weights_are_uniformly_distributed():
    """Mean zero of every element, which QR's own choice of signs does not give."""
    diagonal = [np.diagonal(initializers.orthogonal((4, 4), rng=seed)) for seed in range(400)]
    assert np.abs(np.mean(diagonal, axis=0)).max() < 5 * 0.5 / np.sqrt(400)


@pytest.mark.parametrize("dtype", DTYPES)
def test_constants(dtype):
    for initializer, value in (("zeros", 0), ("ones", 1), (0.25, 0.25), ("constant", 0)):
        w = initializers.get(initializer)((3,), None, dtype, groups=1)
        np.testing.assert_array_equal(w, np.full(3, value, dtype))
        assert w.dtype == dtype


@pytest.mark.parametrize("name", initializers.names())
def test_the_same_seed_gives_the_same_and_a_generator_goes_on(name):
    make, shape = initializers.get(name), (4, 2, 3, 3)
    np.testing.assert_array_equal(make(shape, rng=3), make(shape, rng=np.random.default_rng(3)))
    rng = np.random.default_rng(3)
    drawn = [make(shape, rng) for _ in range(2)]
    assert np.array_equal(*drawn) == (name in ("zeros", "ones", "constant"))
    assert make((0, 3, 3, 3), rng=0).shape == (0, 3, 3, 3) and make((3, 0), rng=0).shape == (3, 0)


def test_a_function_is_taken_as_it_is():
    def mine(shape, rng=None, dtype=np.float32, groups=1):
        return np.full(shape, 7, dtype)

    assert initializers.get(mine) is mine


ERRORS = {
    "name": (lambda: initializers.get("he"), ValueError, "initializer: got 'he', expected one of constant, glorot_normal"),
    "kind": (lambda: initializers.get(None), TypeError, "initializer: got None"),
    "one axis": (lambda: initializers.he_normal((3,)), ValueError, r"shape: got \(3,\), expected two axes"),
    "negative": (lambda: initializers.zeros((3, -1)), ValueError, r"shape: got \(3, -1\)"),
    "dtype": (lambda: initializers.he_normal((3, 3), dtype=np.int32), TypeError, "dtype: got int32"),
    "no dtype": (lambda: initializers.ones((3, 3), dtype="float31"), TypeError, "dtype: got 'float31'"),
    "groups": (
        lambda: initializers.he_normal((3, 1, 3, 3), groups=2),
        ValueError,
        "groups: got 2, expected a divisor of the 3",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_every_bad_argument_is_one_clear_error(case):
    call, kind, message = ERRORS[case]
    with pytest.raises(fc.FastconvError, match=f"^{message}") as caught:
        call()
    assert isinstance(caught.value, kind)
