"""24 bits of significand as three bfloat16 parts of 8, and the products of two such numbers that are taken."""

import matplotlib.pyplot as plt

PARTS, BITS, TAKEN = ("h", "m", "l"), 8, 2


def draw():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), width_ratios=(2, 1))
    for part, name in enumerate(PARTS):
        for bit in range(BITS):
            box(left, part * BITS + bit, 0, 1, f"C{part}")
            box(left, part * BITS + bit, 1.6 + 1.2 * part, 1, f"C{part}")
        left.text((part + 0.5) * BITS, 2.1 + 1.2 * part, f"$x_{name}$", ha="center", va="center")
        below = f"below $2^{{{-BITS * part}}}$" if part else "bfloat16"
        left.text((part + 1) * BITS + 0.4, 2.1 + 1.2 * part, below, va="center", size=9)
    left.text(len(PARTS) * BITS / 2, 0.5, "$x$: 24 bits of a float32", ha="center", va="center")
    left.set(xlim=(-0.3, 32), ylim=(5.2, -0.3))
    for row, of_x in enumerate(PARTS):
        right.text(-0.2, row + 0.5, f"$x_{of_x}$", ha="right", va="center")
        right.text(row + 0.5, -0.2, f"$w_{of_x}$", ha="center", va="bottom")
        for column in range(len(PARTS)):
            place, taken = row + column, row + column <= TAKEN
            box(right, column, row, 1, f"C{place}" if taken else "none")
            color = "black" if taken else "0.6"
            right.text(column + 0.5, row + 0.5, f"$2^{{{-BITS * place}}}$", ha="center", va="center", color=color)
    right.set(xlim=(-0.6, 3.1), ylim=(3.1, -0.6), aspect="equal")
    for axes in (left, right):
        axes.axis("off")
    return figure


def box(axes, x, y, size, color):
    axes.add_patch(plt.Rectangle((x, y), size, 1, facecolor=color, alpha=0.35))
    axes.add_patch(plt.Rectangle((x, y), size, 1, fill=False, edgecolor="0.4", linewidth=0.7))
