"""Tiles of F(4x4, 3x3): 6x6 pixels every four pixels, 4x4 outputs."""

import matplotlib.pyplot as plt

OUTPUTS, TAPS, TILES = 4, 3, 3
COLORS = ("C0", "C1", "C2")


def draw():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6))
    size, overlap = OUTPUTS * TILES, TAPS - 1
    for axes, extent, title in ((left, size + overlap, "input: tiles of 6x6"), (right, size, "output: tiles of 4x4")):
        axes.set(xlim=(-0.3, size + overlap + 0.3), ylim=(size + overlap + 0.3, -0.3), aspect="equal", title=title)
        axes.axis("off")
        for i in range(extent + 1):
            axes.plot((0, extent), (i, i), (i, i), (0, extent), color="0.5", linewidth=0.4)
    for i, color in enumerate(COLORS):
        row, column = divmod(i, 2)
        x, y = column * OUTPUTS, row * OUTPUTS
        for axes, width in ((left, OUTPUTS + overlap), (right, OUTPUTS)):
            axes.add_patch(plt.Rectangle((x, y), width, width, facecolor=color, alpha=0.3))
            axes.add_patch(plt.Rectangle((x, y), width, width, fill=False, edgecolor=color, linewidth=2))
    return figure
