"""Random generators for each order, sample and batch of training: independent, and known from their numbers alone.

A generator shared by workers would give results that depend on who draws first, and one that is drawn from in turn cannot be
resumed in the middle. Philox (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, 2011) is a function of a key and a
counter, so that any place in any stream is at hand:

    key = (seed, epoch)    counter = (what one generator draws, index, stream, 0)
"""

from __future__ import annotations

import numpy as np

__all__ = ["BATCH", "ORDER", "SAMPLE", "generator", "seed_of"]

# Streams: the order of an epoch; the transforms of a sample (index: its place in the dataset); those of a batch (its number).
ORDER, SAMPLE, BATCH = range(3)
# Seeds fit a signed 64-bit integer, so that any file format can hold them.
_SEEDS = 2**63


def seed_of(rng: int | np.random.Generator | None) -> int:
    """A seed for `generator`; of a Generator it is drawn once.

    Examples
    --------
    >>> seed_of(0) == seed_of(0)
    True
    """
    return int(np.random.default_rng(rng).integers(_SEEDS))


def generator(seed: int, epoch: int, stream: int, index: int = 0) -> np.random.Generator:
    """The generator of that place.

    Examples
    --------
    >>> generator(1, 2, SAMPLE, 3).random() == generator(1, 2, SAMPLE, 3).random()
    True
    """
    return np.random.Generator(np.random.Philox(key=(seed, epoch), counter=(0, index, stream, 0)))
