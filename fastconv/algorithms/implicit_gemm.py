"""Implicit GEMM: direct convolution of NCHW data with pixels in the vector lanes."""

from __future__ import annotations

from .direct import DirectKernels

__all__ = ["ALGORITHMS", "ImplicitGemm"]


class ImplicitGemm(DirectKernels):
    """A matrix product with patches that are formed a panel at a time and never leave the second-level cache.

    A tile of filters x pixels is held in registers, pixels in the vector lanes, so NCHW data is read and written as it lies,
    whatever the stride, padding or dilation. Source: Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning"
    (arXiv:1410.0759), and the panels of Van Zee and van de Geijn, "BLIS" (2015).
    """

    name = "implicit_gemm"
    _pixel_lanes = True

    def supports(self, problem):
        if problem.direction == "weight_grad":
            return "the weight gradient has no pixels to put in the lanes; direct does it"
        if problem.memory_format != "nchw":
            return "channels-last data has filters in the lanes; direct does it"
        return None


ALGORITHMS = [ImplicitGemm()]
