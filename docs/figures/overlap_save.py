"""Overlap-save along one axis."""

import matplotlib.pyplot as plt

LENGTH, TAPS, TILES = 16, 5, 3


def draw():
    figure, axes = plt.subplots(figsize=(8, 2.8))
    kept = LENGTH - TAPS + 1
    total = kept * TILES + TAPS - 1
    bar(axes, 0, 0, total, "0.6", "input")
    for i in range(TILES):
        start, row = i * kept, 1.5 + 1.2 * i
        bar(axes, start, row, kept, f"C{i}", "outputs that are kept")
        bar(axes, start + kept, row, TAPS - 1, f"C{i}", "wrap", alpha=0.12)
    axes.text(LENGTH / 2, 1.17, "t", ha="center", va="bottom")
    axes.annotate("", (0, 1.25), (LENGTH, 1.25), arrowprops={"arrowstyle": "<->"})
    axes.set(xlim=(-0.3, total + 0.3), ylim=(5.2, -0.2))
    axes.axis("off")
    return figure


def bar(axes, x, y, width, color, text, alpha=0.4):
    axes.add_patch(plt.Rectangle((x, y), width, 0.9, facecolor=color, alpha=alpha))
    axes.add_patch(plt.Rectangle((x, y), width, 0.9, fill=False, edgecolor=color))
    axes.text(x + width / 2, y + 0.45, text, ha="center", va="center", size=9)
