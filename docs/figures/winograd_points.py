"""How the points of Toom and Cook decide the error of F(m x m, 3 x 3): the growth from the matrices, and what is measured."""

from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np

from fastconv.algorithms.winograd_matrices import POINTS, matrices

TAPS = 3
# Those in use, and two obvious choices: integers, and integers with their inverses.
CHOICES = {
    "in use": {2: POINTS[4], 4: POINTS[6], 6: POINTS[8]},
    "0, ±1, ±2, ±3": {m: (0, 1, -1, 2, -2, 3, -3)[: m + 1] for m in (2, 4, 6)},
    "0, ±1, ±2, ±1/2": {m: (0, 1, -1, 2, -2, Fraction(1, 2), -Fraction(1, 2))[: m + 1] for m in (2, 4, 6)},
}
STYLES = ("o-", "s--", "^:")
TILES, CHANNELS = 400, 32


def draw():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), sharex=True)
    for (name, by_size), style in zip(CHOICES.items(), STYLES, strict=True):
        exact = [as_arrays(matrices(m, TAPS, points)) for m, points in by_size.items()]
        left.plot(by_size.keys(), [growth(*found) ** 2 for found in exact], style, label=name)
        right.plot(by_size.keys(), [measured(*found) for found in exact], style, label=name)
    left.set(yscale="log", ylabel="growth in two dimensions", xlabel="outputs of a tile along an axis", xticks=(2, 4, 6))
    right.set(yscale="log", ylabel="largest error / (eps |x| conv |w|)", xlabel="outputs of a tile along an axis")
    left.legend()
    return figure


def as_arrays(exact):
    return [np.array([[float(value) for value in row] for row in matrix]) for matrix in exact]


def growth(data, kernel, result):
    """The bracket of docs/explanation/winograd.md."""
    return np.max(np.abs(result) @ (np.abs(kernel).sum(axis=1) * np.abs(data).sum(axis=1)))


def measured(data, kernel, result):
    """Of float32 tiles with normally distributed values, summed over channels."""
    rng, points, outputs = np.random.default_rng(0), len(data), len(result)
    d = rng.standard_normal((TILES, CHANNELS, points, points)).astype(np.float32)
    g = rng.standard_normal((CHANNELS, TAPS, TAPS)).astype(np.float32)
    data, kernel, result = (matrix.astype(np.float32) for matrix in (data, kernel, result))
    products = np.einsum("tcij,cij->tij", data @ d @ data.T, kernel @ g @ kernel.T)
    y = result @ products @ result.T
    windows = np.lib.stride_tricks.sliding_window_view(d.astype(float), (TAPS, TAPS), axis=(2, 3))
    exact = np.einsum("tcijuv,cuv->tij", windows, g.astype(float))
    scale = np.einsum("tcijuv,cuv->tij", np.abs(windows), np.abs(g.astype(float)))
    assert y.shape == exact.shape == (TILES, outputs, outputs)
    return np.max(np.abs(y - exact) / scale) / np.finfo(np.float32).eps
