"""
A first convolution
===================

Sobel's kernels on a digit, in one call.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastconv as fc
from fastconv import data

# %%
# Two filters of one channel: where does brightness grow to the right, and where downwards?

rightwards = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
filters = np.stack([rightwards, rightwards.T])[:, None]  # (filters, channels, height, width)

image, label = data.digits()[3]
edges = fc.conv2d(image[None], filters, padding=1)  # (1, 2, 8, 8)

# %%
# ``padding=1`` puts zeros around the image, so that the results keep its size.

figure, axes = plt.subplots(1, 3, figsize=(8, 2.8), layout="constrained")
shown = {f"a {label}": image[0], "rightwards": edges[0, 0], "downwards": edges[0, 1]}
for ax, (title, values) in zip(axes, shown.items(), strict=True):
    limit = np.abs(values).max()
    ax.imshow(values, cmap="RdBu", vmin=-limit, vmax=limit)
    ax.set(title=title, xticks=[], yticks=[])

# %%
# The gradients of a convolution are calls of the same kind. With respect to the image, of the sum of all squared edges:

gradient = fc.conv2d_input_grad(2 * edges, filters, (1, 1, 8, 8), padding=1)
step = image - 0.01 * gradient[0]
before, after = np.sum(edges**2), np.sum(fc.conv2d(step[None], filters, padding=1) ** 2)
print(f"{before:.1f} before a step against the gradient, {after:.1f} behind it")

# %%
# Which algorithm did that, and why:

print(fc.plan(fc.ConvProblem.from_arrays(image[None], filters, padding=1)).explain())
