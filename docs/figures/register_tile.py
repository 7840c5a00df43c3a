"""The register tile of the matrix kernels, as with AVX-512: 14 pixels x two vectors of filters."""

import matplotlib.pyplot as plt

PIXELS, VECTORS, LANES = 14, 2, 16
CELL = 0.5


def draw():
    figure, axes = plt.subplots(figsize=(8, 4.2))
    box(axes, 0, 0, VECTORS * LANES * CELL, PIXELS, "C0", 0.25)
    for vector in range(VECTORS):
        box(axes, vector * LANES * CELL, PIXELS + 1.2, LANES * CELL, 1, "C1", 0.35)
        axes.text((vector + 0.5) * LANES * CELL, PIXELS + 1.7, f"weights of {LANES} filters", ha="center", va="center")
    for pixel in range(PIXELS):
        box(axes, -2.4, pixel, 1, 1, "C2", 0.35)
        for vector in range(VECTORS):
            box(axes, vector * LANES * CELL, pixel, LANES * CELL, 1, "none", 1)
    axes.text(VECTORS * LANES * CELL / 4, PIXELS / 2 + 0.5, f"{PIXELS} x {VECTORS} accumulators", ha="center", va="center")
    axes.text(-2.7, PIXELS / 2, "one value of each pixel,\nspread over the lanes", ha="right", va="center")
    axes.annotate("", (-0.15, 10.5), (-1.3, 10.5), arrowprops={"arrowstyle": "->"})
    axes.annotate("", (12, PIXELS + 0.1), (12, PIXELS + 1.1), arrowprops={"arrowstyle": "->"})
    axes.set(xlim=(-10, VECTORS * LANES * CELL + 0.5), ylim=(-0.5, PIXELS + 2.7))
    axes.axis("off")
    return figure


def box(axes, x, y, width, height, color, alpha):
    axes.add_patch(plt.Rectangle((x, y), width, height, facecolor=color, alpha=alpha if color != "none" else None))
    axes.add_patch(plt.Rectangle((x, y), width, height, fill=False, edgecolor="0.4", linewidth=0.7))
