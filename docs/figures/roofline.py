"""The roofline of one core, from the constants that ship with fastconv, and layers at their intensities."""

import matplotlib.pyplot as plt
import numpy as np

from fastconv.algorithms import machine
from fastconv.report.tables import load_layers

ISA = "avx512"
MARKS = {"resnet50": ("o", "C0", "ResNet-50"), "mobilenet_v1": ("s", "C1", "MobileNet v1")}


def draw():
    rates = machine.shipped(ISA)
    peak, intensities = 2 * rates.fma / 1e9, np.logspace(-1, 3, 200)
    figure, axes = plt.subplots(figsize=(7, 4))
    for bandwidth, label, style in ((rates.memory, "memory", "-"), (rates.near, "second-level cache", ":")):
        axes.plot(
            intensities,
            np.minimum(peak, bandwidth * intensities / 1e9),
            f"k{style}",
            label=f"{label}: {bandwidth / 1e9:.0f} GB/s",
        )
    for table, (marker, color, label) in MARKS.items():
        found = np.array([layer.problem.flops / layer.problem.bytes for layer in load_layers(table)])
        axes.plot(found, np.minimum(peak, rates.memory * found / 1e9), marker, color=color, label=label, alpha=0.7)
    axes.annotate(f"{peak:.0f} GFLOP/s of float32 multiply-adds", (12, peak * 1.12))
    axes.set(xscale="log", yscale="log", xlabel="FLOP per byte that has to move", ylabel="GFLOP/s", ylim=(5, 400))
    axes.legend(loc="lower right")
    return figure
