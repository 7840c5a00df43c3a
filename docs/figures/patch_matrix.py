"""The patch matrix of a 4x4 image and a 3x3 kernel."""

import matplotlib.pyplot as plt
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

IMAGE = np.arange(1, 17).reshape(4, 4)
COLORS = ("C0", "C1", "C2", "C3")


def draw():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.6), width_ratios=(4, 9))
    patches = sliding_window_view(IMAGE, (3, 3)).reshape(4, 9)
    numbers(left, IMAGE)
    for i, color in enumerate(COLORS):
        x, y, inset = i % 2, i // 2, 0.06 * (i + 1)
        window = plt.Rectangle((x + inset, y + inset), 3 - 2 * inset, 3 - 2 * inset, fill=False, edgecolor=color, linewidth=2)
        left.add_patch(window)
    numbers(right, patches)
    for i, color in enumerate(COLORS):
        right.add_patch(plt.Rectangle((0, i), 9, 1, facecolor=color, alpha=0.2))
    left.set_title("image and its four windows")
    right.set_title("patch matrix P")
    return figure


def numbers(axes, values):
    rows, columns = values.shape
    axes.set(xlim=(0, columns), ylim=(rows, 0), xticks=range(columns + 1), yticks=range(rows + 1), aspect="equal")
    axes.tick_params(labelbottom=False, labelleft=False, length=0)
    axes.grid(True, alpha=0.5)
    axes.spines[["top", "right"]].set_visible(True)
    for (i, j), value in np.ndenumerate(values):
        axes.text(j + 0.5, i + 0.5, value, ha="center", va="center")
