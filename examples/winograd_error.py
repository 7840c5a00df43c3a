"""
Winograd's error against tile size
==================================

Larger tiles need fewer products and round more. Measured against the oracle, for numbers of channels, beside what each
algorithm publishes.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastconv as fc

CHANNELS = (4, 16, 64, 256)
ALGORITHMS = ("direct", "winograd2x2", "winograd4x4", "winograd6x6", "fft")
EPS = np.finfo(np.float32).eps

# %%
# The error of an output is relative to ``|x| conv |w|``, what it would be if nothing cancelled.

rng = np.random.default_rng(0)
errors, bounds = ({name: [] for name in ALGORITHMS} for _ in range(2))
for channels in CHANNELS:
    problem = fc.ConvProblem.parse(f"1x{channels}x30x30,16x3x3,p1")
    x, w = (rng.standard_normal(shape).astype(np.float32) for shape in (problem.x_shape, problem.w_shape))
    exact, scale = fc.reference.forward(problem, x, w), fc.reference.scale(problem, x=x, w=w)
    for name in ALGORITHMS:
        y = fc.conv2d(x, w, padding=1, algorithm=name)
        errors[name].append(np.max(np.abs(y - exact) / scale) / EPS)
        bounds[name].append(fc.algorithms.get(name).error(problem))

# %%
# The sum over channels makes direct convolution's bound grow; the tiles' part is constant, and the errors themselves, relative
# to a growing sum, do not grow.

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for i, name in enumerate(ALGORITHMS):
    axes.plot(CHANNELS, errors[name], f"C{i}o-", label=f"{name}, measured")
    axes.plot(CHANNELS, bounds[name], f"C{i}:")
axes.set(
    xscale="log",
    yscale="log",
    xticks=CHANNELS,
    xticklabels=CHANNELS,
    xlabel="channels",
    ylabel="error / eps (dotted: published)",
)
axes.minorticks_off()
axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))

for name in ALGORITHMS:
    print(f"{name:12} {max(errors[name]):6.2f} eps measured at most, {bounds[name][-1]:7.1f} eps published for 256 channels")
    assert np.all(np.array(errors[name]) <= bounds[name])
