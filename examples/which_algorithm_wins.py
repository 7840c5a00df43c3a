"""
Which algorithm wins where
==========================

Every algorithm, measured on a grid of kernel sizes and channels, on this machine: the winner of each cell, and how much faster
it is than im2col with BLAS.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

import fastconv as fc

KERNELS = (1, 3, 5, 7, 11)
CHANNELS = (4, 16, 64, 128)
SIZE = 28
SECONDS = 0.03  # for each cell; more gives steadier winners

# %%
# ``survey`` times all that may be used, in turns, and says why the others may not.

fc.set_num_threads(1)
winners, gains = {}, np.full((len(CHANNELS), len(KERNELS)), np.nan)
for i, channels in enumerate(CHANNELS):
    for j, kernel in enumerate(KERNELS):
        problem = fc.ConvProblem.parse(f"1x{channels}x{SIZE}x{SIZE},{channels}x{kernel}x{kernel},p{kernel // 2}")
        survey = fc.selection.survey(problem, seconds=SECONDS).explanation
        seconds = {row.name: row.seconds for row in survey.rows if row.seconds is not None}
        winners[i, j] = survey.algorithm
        gains[i, j] = seconds.get("im2col", np.nan) / seconds[survey.algorithm]

# %%
# On x86 with AVX-512, Winograd takes the 3x3 and 5x5 kernels as soon as there are channels enough, FFT the large ones, and 1x1
# kernels are a plain matrix product, which only matrix units have a shortcut for, where there are any.

names = [name for name in fc.algorithms.names() if name in winners.values()]
figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
indices = np.array([[names.index(winners[i, j]) for j in range(len(KERNELS))] for i in range(len(CHANNELS))])
colors = ListedColormap(plt.colormaps["tab20"](np.arange(len(names)) * 2 + 1))
axes.imshow(indices, cmap=colors, vmin=-0.5, vmax=len(names) - 0.5, aspect="auto", origin="lower")
for (i, j), name in winners.items():
    gain = "" if np.isnan(gains[i, j]) else f"\n{gains[i, j]:.1f}x"
    axes.text(j, i, name.replace("winograd", "wino\n") + gain, ha="center", va="center", size=8)
axes.set(
    xticks=range(len(KERNELS)), xticklabels=[f"{k}x{k}" for k in KERNELS], yticks=range(len(CHANNELS)), yticklabels=CHANNELS,
    xlabel="kernel", ylabel="channels and filters", title=f"winner at {SIZE}x{SIZE}, and its gain over im2col",
)  # fmt: skip
