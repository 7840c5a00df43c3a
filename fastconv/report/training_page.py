"""The page of a training run: curves, gradients, activations and weights, layer by layer, settings, environment, data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .figures.training import by_epoch, by_step, of_layers, spread
from .page import Beside, Cell, Column, Gallery, Line, Page, Section, Table, Text
from .quantities import MISSING
from .training_summary import observations, summary

if TYPE_CHECKING:
    from ..training import RunRecord

__all__ = ["training_page"]

# The usual change of a parameter in a step, relative to it.
_USUAL_UPDATE = 1e-3
# A rate in the words of an optimizer.
_LONG_FLOAT = re.compile(r"\d+\.\d{7,}(?:e-?\d+)?")
_FACTS = ("network", "data", "optimizer", "loss", "batch size", "epochs", "samples", "validation samples", "threads")


def training_page(run: RunRecord) -> Page:
    """The `Page` of a `fastconv.training.RunRecord`.

    Raises
    ------
    MissingExtraError
        Without matplotlib (the extra ``report``).
    """
    sections = [
        Section("Observations", [Text(text) for text in observations(run)]),
        Section("Curves", _gallery(_curves(run))),
        Section("Gradients, updates, activations", _gallery(_overview(run))),
        Section("Layers", _layers(run)),
        Section("Settings", _settings(run)),
    ]
    return Page(
        title=f"Training of {run.settings.get('network', 'a network')}",
        summary=summary(run),
        sections=[section for section in sections if section.blocks],
        facts=_facts(run),
        environment=run.environment,
        data=run.to_dict(),
        data_name="run.json",
    )


def _gallery(figures):
    shown = [figure for figure in figures if figure is not None]
    return [Gallery(shown)] if shown else []


def _facts(run):
    facts = {name: _text(run.settings[name]) for name in _FACTS if run.settings.get(name) is not None}
    times = {"started": run.started, "last written": run.updated}
    return facts | {name: text.replace("T", " ").replace("+00:00", " UTC") for name, text in times.items() if text}


def _text(value):
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return _LONG_FLOAT.sub(lambda found: f"{float(found[0]):g}", str(value))


def _curves(run):
    history, monitor = run.history, run.monitor
    steps = history.steps
    numbers = range(1, 1 + max(map(len, steps.values()), default=0))
    yield from (by_epoch(history, name) for name in ("loss", "accuracy"))
    yield by_step("Learning rate", numbers, steps.get("lr", []), log=False)
    if monitor.scalars["step"]:
        yield by_step(
            "Norm of all gradients",
            monitor.scalars["step"],
            monitor.scalars["grad_norm"],
            "Before clipping, if they are clipped.",
        )
    else:
        yield by_step("Norm of all gradients", numbers, steps.get("grad_norm", []), "Before clipping.")
    seconds = history.epochs.get("seconds", [])
    yield by_step("Seconds an epoch", range(1, len(seconds) + 1), seconds, "With validation.", xlabel="epoch")


def _overview(run):
    monitor = run.monitor
    steps = monitor.scalars["step"]
    gradients = _of_weights(monitor.gradients)
    updates = {name: columns["update_ratio"] for name, columns in _of_weights(monitor.weights).items()}
    deviations, zeros = ({name: columns[kind] for name, columns in monitor.activations.items()} for kind in ("std", "sparsity"))
    yield of_layers("Gradient norm of the weights", steps, gradients, log=True)
    note = "Norm of a step's change over that of the weights; about 1e-3 (dashed) where the learning rate is right."
    yield of_layers("Update ratio of the weights", steps, updates, log=True, caption=note, mark=_USUAL_UPDATE)
    yield of_layers("Standard deviation of results", steps, deviations, log=True)
    yield of_layers(
        "Zeros among results", steps, {name: v for name, v in zeros.items() if max(v) > 0}, log=False, caption="As a share."
    )


def _of_weights(found):
    """What belongs to weights, or everything where nothing is called so."""
    weights = {name: values for name, values in found.items() if name.rpartition(".")[2] == "weight"}
    return weights or dict(found)


def _layers(run):
    monitor = run.monitor
    known = {layer["name"]: layer for layer in run.layers}
    watched = dict.fromkeys([*monitor.activations, *(name.rpartition(".")[0] for name in monitor.gradients)])
    names = [name for name in known if name in watched] + [name for name in watched if name not in known]
    if not names:
        return []
    columns = [
        Column("layer"),
        Column("kind", minor=True),
        Column("output", minor=True),
        Column("parameters", numeric=True, minor=True),
        Column("gradient", numeric=True, hint="Norm of the weights' gradient at the last look"),
        Column("update", numeric=True, hint="Norm of a step's change over that of the weights, at the last look"),
        Column("weights", numeric=True, minor=True, hint="Standard deviation at the last look"),
        Column("results", numeric=True, minor=True, hint="Standard deviation of the layer's results at the last look"),
        Column("zeros", numeric=True, minor=True, hint="Share of zeros among the results"),
    ]
    lines = [_layer(monitor, name, known.get(name, {})) for name in names]
    return [
        Table(
            "A row unfolds to the layer's figures; values are those of the last look.", columns, lines, filter="Filter layers"
        )
    ]


def _layer(monitor, name, known):
    own = [parameter for parameter in monitor.gradients if parameter.rpartition(".")[0] == name]
    first = own[0] if own else None
    weights, results = monitor.weights.get(first, {}), monitor.activations.get(name, {})
    shape = "x".join(map(str, known.get("output_shape", ())))
    count = known.get("parameters")
    cells = [
        name,
        known.get("kind", ""),
        shape,
        Cell(f"{count:,}" if count else MISSING, count or None),
        _last(monitor.gradients.get(first), ".2g"),
        _last(weights.get("update_ratio"), ".1e"),
        _last(weights.get("std"), ".3g"),
        _last(results.get("std"), ".3g"),
        _last(results.get("sparsity"), ".1%"),
    ]
    figures = [figure for figure in _of_layer(monitor, own, results) if figure is not None]
    return Line(cells, [Beside(figures)] if figures else [])


def _last(values, form):
    return Cell(f"{values[-1]:{form}}", values[-1]) if values else Cell(MISSING)


def _of_layer(monitor, own, results):
    steps = monitor.scalars["step"]
    yield of_layers("Gradient norms", steps, {parameter: monitor.gradients[parameter] for parameter in own}, log=True)
    for parameter in own:
        if parameter in monitor.weights:
            title = parameter.rpartition(".")[2].capitalize()
            yield spread(title, steps, monitor.weights[parameter], "Mean and standard deviation; grey: extremes.")
    if results:
        yield spread("Results", steps, results, "Mean and standard deviation.")


def _settings(run):
    lines = [Line([name, MISSING if value is None else _text(value)]) for name, value in run.settings.items()]
    return [Table("What the training was asked for", [Column("setting"), Column("value")], lines)] if lines else []
