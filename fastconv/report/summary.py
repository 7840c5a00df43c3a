"""What a comparison found, in a sentence or two that can be quoted alone: machine and settings are in it."""

from __future__ import annotations

import re

from .quantities import faster_text, seconds_text
from .totals import BEST, BEST_PEER

__all__ = ["machine_text", "settings_text", "summary"]

_FORMATS = {"nchw": "NCHW", "nhwc": "channels-last"}
_DIRECTIONS = {"forward": "forward", "input_grad": "gradient of the input", "weight_grad": "gradient of the weights"}


def summary(comparison):
    """What a `Comparison` found, as text."""
    totals = {total.policy: total for total in comparison.totals()}
    where, what = machine_text(comparison), _convolutions(comparison)
    if BEST not in totals:
        return f"On {where}: no algorithm was timed on some layer of {what}."
    best = totals[BEST]
    single = len(comparison.rows) == 1
    alone = [t for t in totals.values() if t.policy in comparison.algorithms and t.fallback is None]
    alone = [t for t in alone if not single or t.policy != comparison.rows[0].winner.algorithm]
    # The fastest of those that do everything, and the one that all are compared with.
    alone = [t for i, t in enumerate(alone) if i == 0 or t.policy == comparison.baseline]
    text = f"On {where}: {what} {'takes' if comparison.convolutions == 1 else 'take'} {seconds_text(best.seconds)} with "
    text += comparison.rows[0].winner.algorithm if single else "the fastest algorithm for each layer"
    versus = [f"{faster_text(t.seconds / best.seconds)} with {t.policy}" for t in alone]
    if versus:
        text += f": {', '.join(versus)}" + ("" if single else " alone")
    text += "."
    peers = [t for t in totals.values() if t.peer and t.policy != BEST_PEER]
    if BEST_PEER in totals:
        text += f" That is {faster_text(totals[BEST_PEER].seconds / best.seconds)} the fastest of {_listed(comparison.peers)}"
        text += "" if single else ", taken for each layer"
        text += f" ({', '.join(f'{t.policy} {t.seconds / best.seconds:.2f}x' for t in peers)})."
    elif peers:
        text += f" That is {faster_text(peers[0].seconds / best.seconds)} {peers[0].policy}."
    if not single:
        wins = ", ".join(f"{name} {count}" for name, count in comparison.wins().items())
        text += f" Fastest: {wins} of {comparison.convolutions} convolutions."
    return text


def machine_text(comparison):
    """The machine, its instruction set and the number of threads."""
    environment, threads = comparison.environment, comparison.settings.get("threads")
    cpu = re.sub(r" cpu family.*", "", environment.get("CPU", "an unknown processor"))
    isa = re.search(r"(\S+) \(in use\)", environment.get("instruction sets", ""))
    parts = [cpu, *([isa[1]] if isa else []), *([f"{threads} thread{'s' if threads != 1 else ''}"] if threads else [])]
    return ", ".join(parts)


def settings_text(comparison):
    """What all problems have in common: direction, type, memory format, batch size."""
    problems = [row.layer.problem for row in comparison.rows]
    known = {
        "direction": [_DIRECTIONS[p.direction] for p in problems],
        "dtype": [p.dtype for p in problems],
        "format": [_FORMATS[p.memory_format] for p in problems],
        "batch": [f"batch {p.batch}" for p in problems],
    }
    values = {name: list(dict.fromkeys(texts)) for name, texts in known.items()}
    directions = values.pop("direction")
    first = "forward and both gradients" if len(directions) == len(_DIRECTIONS) else " and ".join(directions)
    return ", ".join([first, *(texts[0] for texts in values.values() if len(texts) == 1)])


def _convolutions(comparison):
    settings = settings_text(comparison)
    if comparison.convolutions == 1:
        return f"{comparison.title or comparison.rows[0].layer.problem} ({settings})"
    return f"the {comparison.convolutions} convolutions of {comparison.title} ({settings})"


def _listed(names):
    names = list(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
