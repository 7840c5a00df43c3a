"""Winograd's transform matrices from interpolation points, in rational arithmetic.

F(m, r) computes m outputs of an r-tap correlation with n = m + r - 1 products: y = A^T [(G g) * (B^T d)]. By Toom and Cook,
with n - 1 finite points a_j and infinity (Lavin and Gray, arXiv:1509.09308; Blahut, Fast Algorithms for Signal Processing,
chapter 5):

    B^T  row j: coefficients of the product of (x - a_l) over l != j;  last row: of the product over all l
    G    row j: (1, a_j, a_j^2, ...) / product of (a_j - a_l) over l != j;  last row: (0, ..., 0, 1)
    A^T  row i: a_j^i;  infinity only in the last row
"""

from __future__ import annotations

from fractions import Fraction

__all__ = ["POINTS", "matrices"]

_HALF, _UNIT = Fraction(1, 2), Fraction(1)

# Finite points by the number n of all points. In pairs of opposite sign, so that a transform shares their even and odd halves
# (but for one of 5, which stride 2 uses);
# the values have the smallest float32 error of the short fractions tried: F(4, 3) with 3/4 and 3/2 has a third of the error of
# 1 and 2.
POINTS = {
    4: (Fraction(0), _UNIT, -_UNIT),
    5: (Fraction(0), 3 * _HALF / 2, -3 * _HALF / 2, 2 * _UNIT),
    6: (Fraction(0), 3 * _HALF / 2, -3 * _HALF / 2, 3 * _HALF, -3 * _HALF),
    8: (Fraction(0), _HALF, -_HALF, _UNIT, -_UNIT, 7 * _HALF / 2, -7 * _HALF / 2),
}


def matrices(m, r, points=None):
    """(B^T, G, A^T) of F(m, r) as nested lists of fractions.

    Parameters
    ----------
    m, r : int
        Outputs and taps.
    points : sequence of Fraction, optional
        The m + r - 2 finite points; default `POINTS`.

    Examples
    --------
    >>> data, kernel, result = matrices(2, 3)
    >>> [int(v) for v in result[1]]
    [0, 1, -1, 1]
    """
    points = POINTS[m + r - 1] if points is None else [Fraction(p) for p in points]
    data, kernel = [], []
    for j, a in enumerate(points):
        others = [b for i, b in enumerate(points) if i != j]
        scale = Fraction(1)
        for b in others:
            scale *= a - b
        data.append([*_coefficients(others), Fraction(0)])
        kernel.append([a**i / scale for i in range(r)])
    data.append(_coefficients(points))
    kernel.append([Fraction(0)] * (r - 1) + [Fraction(1)])
    result = [[a**i for a in points] + [Fraction(int(i == m - 1))] for i in range(m)]
    return data, kernel, result


def _coefficients(roots):
    """Of the product of (x - root), lowest power first."""
    product = [Fraction(1)]
    for root in roots:
        product = [a - root * b for a, b in zip([Fraction(0), *product], [*product, Fraction(0)], strict=True)]
    return product
