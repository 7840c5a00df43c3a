"""A record of a training as text: the summary, curves, and what asks for a look."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from .curves import format_curves
from .text import WIDTH
from .training_summary import observations, summary

if TYPE_CHECKING:
    from ..training import RunRecord

__all__ = ["format_training"]

_CURVES = ("loss", "val_loss", "accuracy", "val_accuracy", "lr")


def format_training(run: RunRecord) -> str:
    """A `fastconv.training.RunRecord` as text."""
    curves = {name.replace("val_", "validation "): run.history[name] for name in _CURVES if name in run.history}
    parts = [textwrap.fill(summary(run), WIDTH), format_curves(curves) if curves else ""]
    parts += [textwrap.fill(text, WIDTH) for text in observations(run)]
    return "\n\n".join(part for part in parts if part)
