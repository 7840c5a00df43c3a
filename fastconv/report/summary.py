"""What a comparison found, in a sentence that can be quoted alone: machine and settings are in it."""

from __future__ import annotations

import re

from .quantities import faster_text, seconds_text
from .totals import BEST, BEST_PEER

__all__ = ["machine_text", "settings_text", "summary", "wins_text"]

_FORMATS = {"nchw": "NCHW", "nhwc": "channels-last"}
_DIRECTIONS = {"forward": "forward", "input_grad": "gradient of the input", "weight_grad": "gradient of the weights"}


def summary(comparison):
    """What a `Comparison` found, as a sentence."""
    totals = {total.policy: total for total in comparison.totals()}
    where, what = machine_text(comparison), _convolutions(comparison)
    if BEST not in totals:
        return f"On {where}: no algorithm was timed on some layer of {what}."
    best = totals[BEST]
    single = len(comparison.rows) == 1
    with_what = comparison.rows[0].winner.algorithm if single else "the fastest algorithm for each layer"
    takes = "takes" if comparison.convolutions == 1 else "take"
    versus = [f"{faster_text(t.seconds / best.seconds)} {name}" for name, t in _others(comparison, totals)]
    text = f"On {where}: {what} {takes} {seconds_text(best.seconds)} with {with_what}"
    return f"{text}: {', '.join(versus)}." if versus else f"{text}."


def wins_text(comparison):
    """For how many convolutions each algorithm is the fastest."""
    wins = ", ".join(f"{name} {count}" for name, count in comparison.wins().items())
    return f"Fastest: {wins} of {comparison.convolutions} convolutions."


def _others(comparison, totals):
    """What the best total is compared with, in words, and its total."""
    single = len(comparison.rows) == 1
    alone = [t for t in totals.values() if t.policy in comparison.algorithms and t.fallback is None]
    alone = [t for t in alone if not single or t.policy != comparison.rows[0].winner.algorithm]
    for number, total in enumerate(alone):
        # The fastest of those that do everything, and the one that all are compared with.
        if number == 0 or total.policy == comparison.baseline:
            yield f"with {total.policy}" + ("" if single else " alone"), total
    peers = [t for t in totals.values() if t.peer]
    if BEST_PEER in totals:
        # A library in another of its formats is the same library.
        names = [name for name in comparison.peers if not any(name.startswith(f"{other} ") for other in comparison.peers)]
        yield f"the fastest of {_listed(names)}" + ("" if single else " for each layer"), totals[BEST_PEER]
    elif peers:
        yield peers[0].policy, peers[0]


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
