"""A whole network's time under each policy of choosing algorithms, and with other libraries."""

from __future__ import annotations

import dataclasses

__all__ = ["BEST", "BEST_PEER", "HEURISTIC", "Total", "totals"]

# Policies beside the names of algorithms and of other libraries.
BEST, HEURISTIC, BEST_PEER = "best", "heuristic", "best peer"


@dataclasses.dataclass(frozen=True)
class Total:
    """A whole network's time under one policy.

    Parameters
    ----------
    policy : str
        ``"best"``, ``"heuristic"``, ``"best peer"`` or the name of an algorithm or of another library.
    seconds : float
        Summed over the layers, each as often as it occurs.
    convolutions : int
        In how many of the network's convolutions the algorithm itself runs.
    fallback : str or None
        The algorithm that does the others.
    speedup : float or None
        Of the baseline's time over this.
    peer : bool
        Whether it is another library's time.
    """

    policy: str
    seconds: float
    convolutions: int
    fallback: str | None
    speedup: float | None
    peer: bool = False


def totals(comparison):
    """The totals of a `Comparison`, fastest first; none if some layer has no time."""
    rows = comparison.rows
    if not rows or any(row.winner is None for row in rows):
        return []
    baseline = comparison.baseline
    reference = sum(row.layer.occurrences * row[baseline].seconds for row in rows) if baseline else None
    policies = {BEST: lambda row: row.winner.algorithm, HEURISTIC: lambda row: row.heuristic}
    policies |= {name: lambda row, name=name: name for name in comparison.algorithms}
    peers = {name: lambda row, name=name: row[name] for name in comparison.peers}
    if len(comparison.peers) > 1:
        peers[BEST_PEER] = lambda row: row.best_peer
    found = [_of_policy(comparison, policy, choose, reference) for policy, choose in policies.items()]
    found += [_of_peer(comparison, name, choose, reference) for name, choose in peers.items()]
    return sorted((t for t in found if t), key=lambda t: (t.seconds, t.policy != BEST))


def _of_policy(comparison, policy, choose, reference):
    """The others' layers are left to the fallback."""
    seconds, own, fallback = 0.0, 0, comparison.fallback
    for row in comparison.rows:
        choice = row[choose(row)]
        own += row.layer.occurrences if choice.usable else 0
        used = choice if choice.usable else row[fallback]
        if not used.usable:
            return None
        seconds += row.layer.occurrences * used.seconds
    if not own:
        return None
    return Total(policy, seconds, own, fallback if own < comparison.convolutions else None, _ratio(reference, seconds))


def _of_peer(comparison, name, choose, reference):
    """Another library's total needs its time for every layer: nothing of ours completes it."""
    chosen = [choose(row) for row in comparison.rows]
    if not all(measurement and measurement.usable for measurement in chosen):
        return None
    seconds = sum(row.layer.occurrences * m.seconds for row, m in zip(comparison.rows, chosen, strict=True))
    return Total(name, seconds, comparison.convolutions, None, _ratio(reference, seconds), peer=True)


def _ratio(reference, seconds):
    return reference / seconds if reference else None
