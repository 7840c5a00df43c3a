"""
A plug-in algorithm
===================

An algorithm in 30 lines of NumPy, which competes with the others from the moment it is registered.
``docs/how_to/add_algorithm.md`` has the contract, and one that wins.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastconv as fc
from fastconv.algorithms import ConvAlgorithm

# %%
# A convolution is a sum of 1x1 convolutions, one for each kernel position, over the input shifted to it. Each is a matrix
# product.


class TapProducts(ConvAlgorithm):
    """One matrix product per kernel position: no patch matrix."""

    name = "tap_products"

    def supports(self, problem):
        if problem.direction != "forward":
            return "forward only"
        return None if problem.groups == 1 else "needs groups=1"

    def cost(self, problem):
        return problem.flops / 20e9

    def error(self, problem):
        # A sum of m rounded products in any order, the bias among them: m roundings at most (Higham 2002, section 3.1).
        return problem.in_channels * problem.taps + 2

    def run(self, problem, x, packed, bias, activation, out, workspace):
        padded = np.pad(x, ((0, 0), (0, 0), *problem.padding))
        out[...] = 0 if bias is None else bias[:, None, None]
        (sh, sw), (dh, dw) = problem.stride, problem.dilation
        for i, j in np.ndindex(problem.kernel_height, problem.kernel_width):
            rows = slice(i * dh, i * dh + sh * (problem.out_height - 1) + 1, sh)
            columns = slice(j * dw, j * dw + sw * (problem.out_width - 1) + 1, sw)
            out += np.einsum("kc,nchw->nkhw", packed[:, :, i, j], padded[:, :, rows, columns], optimize=True)
        fc.functional.activate(out, activation, out=out)


fc.algorithms.register(TapProducts())

# %%
# From here on it is a candidate everywhere. Is it right?

problem = fc.ConvProblem.parse("1x128x28x28,128x3x3,p1")
rng = np.random.default_rng(0)
x, w = (rng.standard_normal(shape).astype(np.float32) for shape in (problem.x_shape, problem.w_shape))
y = fc.conv2d(x, w, padding=1, algorithm="tap_products")
error = np.max(np.abs(y - fc.reference.forward(problem, x, w)) / fc.reference.scale(problem, x=x, w=w))
print(f"error {error:.1e}, published {fc.algorithms.get('tap_products').error(problem) * np.finfo(np.float32).eps:.1e}")

# %%
# And how fast?

with fc.num_threads(1):
    survey = fc.selection.survey(problem, seconds=0.3).explanation
timed = sorted((row for row in survey.rows if row.seconds is not None), key=lambda row: row.seconds)
figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
colors = ["C1" if row.name == "tap_products" else "C0" for row in timed]
axes.barh([row.name for row in timed], [1e3 * row.seconds for row in timed], color=colors)
axes.invert_yaxis()
axes.set(xlabel=f"ms, {problem} on one thread")

# %%
# Taken out again, the choice is as it was before.

fc.algorithms.unregister("tap_products")
