"""Multiply-adds of the algorithms against kernel size, as their cost models count them."""

import matplotlib.pyplot as plt

import fastconv as fc
from fastconv.algorithms import machine

KERNELS = (1, 3, 5, 7, 9, 11, 15, 21, 31)
PRODUCTS = {"products", "complex", "transforms"}
CHANNELS, SIZE = 128, 112
ALGORITHMS = {"direct": "o-", "winograd2x2": "v", "winograd4x4": "^", "winograd6x6": "s", "winograd4x4_5x5": "D", "fft": "o--"}


def draw():
    figure, axes = plt.subplots(figsize=(7, 4))
    for name, style in ALGORITHMS.items():
        counts = {r: multiply_adds(fc.algorithms.get(name), r) for r in KERNELS}
        counts = {r: count for r, count in counts.items() if count is not None}
        axes.plot(counts.keys(), counts.values(), style, label=name)
    axes.set(
        xscale="log", yscale="log", xticks=KERNELS, xticklabels=KERNELS, yticks=(1, 3, 10, 30, 100, 300, 1000),
        yticklabels=(1, 3, 10, 30, 100, 300, 1000), xlabel="kernel size",
        ylabel=f"multiply-adds per output and channel,\ntransforms included ({CHANNELS} channels and filters)",
    )  # fmt: skip
    axes.minorticks_off()
    axes.legend()
    return figure


def multiply_adds(algorithm, size):
    """Per output and pair of channels; None where the algorithm does not do such kernels."""
    problem = fc.ConvProblem.parse(f"1x{CHANNELS}x{SIZE}x{SIZE},{CHANNELS}x{size}x{size},p{size // 2}")
    if algorithm.supports(problem):
        return None
    with fc.num_threads(1):
        seconds = sum(value for term, value in algorithm.terms(problem).items() if term in PRODUCTS)
    return seconds * machine.constants().fma / (CHANNELS * CHANNELS * SIZE * SIZE)
