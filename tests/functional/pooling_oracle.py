"""Pooling by its definition: float64 loops over windows and their taps."""

import math

import numpy as np


def sliding(size, width, stride, padding, dilation=1, ceil_mode=False, count_include_pad=True):
    """Of each window along an axis: the pixels inside the image with their taps, and the number that averages divide by."""
    span = (width - 1) * dilation + 1
    windows, start = [], -padding
    while start + span <= size + padding or (ceil_mode and start < size and start + span < size + padding + stride):
        inside = [(t, start + t * dilation) for t in range(width) if 0 <= start + t * dilation < size]
        counted = sum(start + t < size + padding for t in range(width)) if count_include_pad else len(inside)
        windows.append((inside, counted))
        start += stride
    return windows


def adaptive(size, out):
    windows = []
    for i in range(out):
        pixels = range(math.floor(i * size / out), math.ceil((i + 1) * size / out))
        windows.append((list(enumerate(pixels)), len(pixels)))
    return windows


def max_pool(x, rows, cols):
    """(y, flat indices of the maxima); the last NaN of a window, else the first of equal values."""
    y = np.full((*x.shape[:2], len(rows), len(cols)), -np.inf)
    index = np.full(y.shape, -1)
    for oy, (ys, _) in enumerate(rows):
        for ox, (xs, _) in enumerate(cols):
            best, where = y[:, :, oy, ox], index[:, :, oy, ox]
            for _, iy in ys:
                for _, ix in xs:
                    v = x[:, :, iy, ix].astype(float)
                    better = (v > best) | np.isnan(v) | (where < 0)
                    best[better], where[better] = v[better], iy * x.shape[3] + ix
    return y, index


def max_pool_grad(gy, index, x_shape):
    dx = np.zeros((*x_shape[:2], x_shape[2] * x_shape[3]))
    n, c = np.indices(gy.shape[:2])
    for oy in range(gy.shape[2]):
        for ox in range(gy.shape[3]):
            dx[n, c, index[:, :, oy, ox]] += gy[:, :, oy, ox]
    return dx.reshape(x_shape)


def avg_pool(x, rows, cols):
    y = np.zeros((*x.shape[:2], len(rows), len(cols)))
    for oy, (ys, high) in enumerate(rows):
        for ox, (xs, wide) in enumerate(cols):
            for _, iy in ys:
                for _, ix in xs:
                    y[:, :, oy, ox] += x[:, :, iy, ix]
            y[:, :, oy, ox] /= high * wide
    return y


def avg_pool_grad(gy, x_shape, rows, cols):
    dx = np.zeros(x_shape)
    for oy, (ys, high) in enumerate(rows):
        for ox, (xs, wide) in enumerate(cols):
            for _, iy in ys:
                for _, ix in xs:
                    dx[:, :, iy, ix] += gy[:, :, oy, ox].astype(float) / (high * wide)
    return dx
