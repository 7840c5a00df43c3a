"""What a record of a training says, in a sentence, and what in it asks for a look."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from .quantities import seconds_text

if TYPE_CHECKING:
    from ..training import RunRecord

__all__ = ["observations", "summary"]

# A validation loss so far above its least is overfitting.
_OVERFIT = 1.1
# A loss that fell by this share in its last epoch is still falling.
_FALLING = 0.01
# Outputs of an activation, and their share of zeros that leaves little to learn from.
_SPARSE = 0.95
# The step's change relative to a parameter: about 1e-3 where the learning rate is right.
_UPDATE = (1e-5, 2e-2)
# Gradients of the first layer with weights relative to the last one's.
_VANISHING = 1e-4
_MOST_NAMES = 4


def summary(run: RunRecord) -> str:
    """What a `RunRecord` tells, in a sentence that can be quoted alone, and how the run ended if it did not end well."""
    settings, epochs = run.settings, run.history.epochs
    subject = str(settings.get("network", "A network"))
    if "parameters" in settings:
        subject += f" ({settings['parameters']:,} parameters)"
    done = len(run.history)
    if done:
        samples = f" on {settings['samples']:,} samples" if "samples" in settings else ""
        text = (
            f"{subject}, trained for {done} epoch{'s' * (done != 1)}{samples} in {_duration(epochs)}, reached {_reached(run)}."
        )
    else:
        text = f"{subject} has finished no epoch."
    return text + _ending(run)


def observations(run: RunRecord) -> list[str]:
    """Whatever asks for a look, each in a sentence with its figures: what it may mean and what may help."""
    found = [*_losses(run), *_watched(run.monitor)]
    return found or ["Nothing stands out: losses, gradients, updates and activations are where they should be."]


def _reached(run):
    epochs, history = run.history.epochs, run.history
    for name, said, form in (("accuracy", "accuracy", ".2%"), ("loss", "a loss of", ".4g")):
        validated = f"val_{name}" in epochs
        column = f"val_{name}" if validated else name
        if all(map(math.isnan, epochs.get(column, ()))):
            continue
        where = " in validation" if validated else " on its own samples"
        last, best = epochs[column][-1], history.best_epoch(column)
        text = f"{last:{form}} {said}{where}" if name == "accuracy" else f"{said} {last:{form}}{where}"
        if epochs[column][best] != last:
            text += f" (best: {epochs[column][best]:{form}} in epoch {best + 1})"
        return text
    return "no loss that is a number"


def _duration(epochs):
    return seconds_text(math.fsum(epochs["seconds"])) if "seconds" in epochs else "unknown time"


def _ending(run):
    planned, done = run.settings.get("epochs"), len(run.history)
    if run.status == "running":
        return f" The record ends after epoch {done} of {planned}: the training goes on, or was killed."
    if run.status in ("stopped", "failed"):
        return f" It {'was stopped' if run.status == 'stopped' else 'failed'}: {run.reason}."
    return ""


def _losses(run):
    history, steps = run.history, run.history.steps
    broken = next((i for i, loss in enumerate(steps.get("loss", ())) if not math.isfinite(loss)), None)
    if broken is not None:
        rate = f", at a learning rate of {steps['lr'][broken]:g}" if "lr" in steps else ""
        loss = steps["loss"][broken]
        yield f"The loss was {loss} in step {broken + 1}{rate}: a lower rate, clip_norm or other data may help."
    losses = [value for value in history.epochs.get("loss", ()) if math.isfinite(value)]
    if losses and losses[-1] > losses[0]:
        yield f"The loss rose from {losses[0]:.4g} to {losses[-1]:.4g}: a lower learning rate, clip_norm or warm-up may help."
        return
    values = [value for value in history.epochs.get("val_loss", ()) if math.isfinite(value)]
    if len(values) < 2:
        return
    best = history.best_epoch("val_loss")
    least, last = min(values), values[-1]
    if least > 0 and last >= _OVERFIT * least:
        yield (
            f"The validation loss was lowest in epoch {best + 1}, {least:.4g}, and is {last / least - 1:.0%} higher at the "
            "end: from there on the network learns its samples by heart. Early stopping, augmentation, dropout or weight "
            "decay may help."
        )
    elif best == len(history) - 1 and values[-1] < (1 - _FALLING) * values[-2]:
        yield f"The validation loss still fell in the last epoch, by {1 - values[-1] / values[-2]:.0%}: more epochs may help."


def _watched(monitor):
    """What gradients, updates and activations of the last looks tell."""
    weights = [name for name in monitor.gradients if name.endswith(".weight")]
    norms = {name: _typical(monitor.gradients[name]) for name in weights}
    if len(weights) > 1 and norms[weights[-1]] > 0 and norms[weights[0]] < _VANISHING * norms[weights[-1]]:
        yield (
            f"Gradients vanish: their norm is {norms[weights[0]]:.1e} at {weights[0]} and {norms[weights[-1]]:.1e} at "
            f"{weights[-1]}. ReLU, normalisation, residual blocks or He's initial weights may help."
        )
    ratios = {name: _typical(monitor.weights[name]["update_ratio"]) for name in weights if name in monitor.weights}
    for bad, said, help in (
        ([name for name, ratio in ratios.items() if ratio > _UPDATE[1]], "large", "lower"),
        ([name for name, ratio in ratios.items() if 0 < ratio < _UPDATE[0]], "small", "higher"),
    ):
        if bad:
            yield (
                f"Steps change {_named(bad)} by a {said} share, {_range([ratios[name] for name in bad])} of their norm (1e-3 "
                f"is usual): a {help} learning rate may help."
            )
    sparse = {
        name: share for name, columns in monitor.activations.items() if (share := _typical(columns["sparsity"])) > _SPARSE
    }
    if sparse:
        yield (
            f"Nearly all results of {_named(list(sparse))} are zero, {min(sparse.values()):.1%} or more: units may be dead. A "
            "lower learning rate or LeakyReLU may help."
        )


def _typical(values):
    """The median of the last looks, a quarter of all."""
    finite = [value for value in values[-max(1, len(values) // 4) :] if math.isfinite(value)]
    return statistics.median(finite) if finite else math.nan


def _named(names):
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _range(values):
    low, high = min(values), max(values)
    return f"{low:.1e}" if len(values) == 1 else f"{low:.1e} to {high:.1e}"
