"""Fits the factors of a cost model to measured times: least squares on logarithms, near known factors where nothing tells."""

from __future__ import annotations

import numpy as np

__all__ = ["fit"]

# Logarithms of factors are held to the known ones' with this weight, beside measurements of weight 1, and within these limits.
_PRIOR = 0.02
_LIMIT = np.log(100.0)
# Residuals beyond this count in proportion, not squared: what the model has no term for must not bend the others.
_HUBER = 0.3
_STEPS = 200


def fit(samples, known):
    """Factors of one model.

    Parameters
    ----------
    samples : list of (dict of str to float, float, float)
        Terms, as an algorithm's ``terms`` gives them; the seconds measured; the weight.
    known : dict of str to float
        Factors to start from and to keep near to; 1 where there is none.

    Returns
    -------
    dict of str to float
        The known factors, replaced for every term that some sample has.
    """
    names = sorted({name for terms, _, _ in samples for name, value in terms.items() if value > 0})
    if not names:
        return known
    starts = np.array([known.get(name, 1.0) for name in names])
    amounts = np.array([[terms.get(name, 0.0) for name in names] for terms, _, _ in samples]) * starts
    measured, weights = np.log([s for _, s, _ in samples]), np.array([w for _, _, w in samples])
    used = amounts.sum(axis=1) > 0
    amounts, measured, weights = amounts[used], measured[used], weights[used]
    logs, damping = np.zeros(len(names)), 1.0
    error = _error(logs, amounts, measured, weights)
    for _ in range(_STEPS):
        parts = amounts * np.exp(logs)
        totals = parts.sum(axis=1)
        residuals = np.log(totals) - measured
        slopes = parts / totals[:, None]
        scale = weights * np.minimum(1, _HUBER / np.maximum(np.abs(residuals), 1e-12))
        normal = slopes.T @ (scale[:, None] * slopes) + _PRIOR * np.eye(len(names))
        gradient = slopes.T @ (scale * residuals) + _PRIOR * logs
        step = np.linalg.solve(normal + damping * np.eye(len(names)), gradient)
        tried = np.clip(logs - step, -_LIMIT, _LIMIT)
        tried_error = _error(tried, amounts, measured, weights)
        if tried_error < error:
            logs, error, damping = tried, tried_error, damping / 3
        else:
            damping *= 3
    fitted = starts * np.exp(logs)
    return known | {name: float(f"{value:.4g}") for name, value in zip(names, fitted, strict=True)}


def _error(logs, amounts, measured, weights):
    residuals = np.abs(np.log((amounts * np.exp(logs)).sum(axis=1)) - measured)
    huber = np.where(residuals <= _HUBER, residuals**2 / 2, _HUBER * (residuals - _HUBER / 2))
    return float((weights * huber).sum() + _PRIOR / 2 * (logs**2).sum())
