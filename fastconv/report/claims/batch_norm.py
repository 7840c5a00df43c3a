"""Batch normalisation: steps of training to an accuracy."""

from __future__ import annotations

from ... import data, nn, optim
from .claim import HOLDS, NOT, PARTLY, Claim, Figure, Verdict
from .timing import timings
from .words import ratio, times

__all__ = ["CLAIM"]

_RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
_SEEDS = (0, 1, 2)
_ACCURACY = 0.9
_BATCH = 50
# The accuracy is looked at every so many steps; a run that takes `_LIMIT` counts as if it had got there.
_EVERY, _LIMIT = 3, 500
_LEAST, _MOST = 2, 10


def network(batch_norm, seed):
    """Three convolutions and a dense layer."""
    layers = []
    for filters in (16, 32, 32):
        layers.append(nn.Conv2D(filters, 3, padding=1, bias=not batch_norm))
        layers += [nn.BatchNormalization(), nn.ReLU()] if batch_norm else [nn.ReLU()]
    return nn.CNN([*layers, nn.MaxPool2D(2), nn.Flatten(), nn.Dense(10)], rng=seed)


def steps_to(accuracy, images, batch_norm, lr, seed):
    """Steps of plain gradient descent until that share of the images set aside is recognised, at most `_LIMIT`."""
    train, test = data.train_test_split(images, rng=seed)
    trained, optimizer = network(batch_norm, seed), optim.SGD(lr=lr)
    loader = data.DataLoader(train, batch_size=_BATCH, shuffle=True, rng=seed)
    held_out = test[:]
    step = 0
    while True:
        for x, y in loader:
            trained.train_step(x, y, optimizer)
            step += 1
            if step >= _LIMIT or (step % _EVERY == 0 and trained.evaluate(*held_out).accuracy >= accuracy):
                return step


def _measure(seconds):
    images = data.digits()
    steps = {
        (lr, batch_norm): sum(steps_to(_ACCURACY, images, batch_norm, lr, seed) for seed in _SEEDS) / len(_SEEDS)
        for lr in _RATES
        for batch_norm in (False, True)
    }
    found = []
    for lr in _RATES:
        plain, normalised = steps[lr, False], steps[lr, True]
        label = f"steps to {_ACCURACY:.0%}, learning rate {lr}: without / with"
        found.append(Figure(f"rate {lr}", label, plain / normalised, f"{plain:.0f} / {normalised:.0f}"))
    plain, normalised = (min(_RATES, key=lambda lr, kind=kind: steps[lr, kind]) for kind in (False, True))
    label = f"steps to {_ACCURACY:.0%}, each at its best rate, {plain} without, {normalised} with: without / with"
    least = steps[plain, False], steps[normalised, True]
    found.append(Figure("best rates", label, least[0] / least[1], f"{least[0]:.0f} / {least[1]:.0f}"))
    timed = timings({kind: _step(images, kind == "with") for kind in ("without", "with")}, seconds)
    return [*found, ratio("time of a step", "time of a step: with / without", timed, "with", "without", beside=True)]


def _step(images, batch_norm):
    x, y = images[:_BATCH]
    trained, optimizer = network(batch_norm, 0), optim.SGD(lr=_RATES[0])
    return lambda: trained.train_step(x, y, optimizer)


def _judge(found):
    same = [found[f"rate {lr}"] for lr in _RATES]
    best, step = found["best rates"], found["time of a step"]
    here = f"{times(min(same))} to {times(max(same))} fewer steps at the same rate, {times(best)} at the best of each"
    left = times(best / step)
    cost = f"A step takes {times(step)} the time of one without, which leaves {left} in time at the best rates."
    if min(*same, best) >= _LEAST:
        return Verdict(HOLDS, here, cost)
    if max(same) >= _LEAST:
        why = (
            "The gain is large at low rates. A network of three convolutions trains at high rates without normalisation too, "
            f"and is then nearly as fast. {cost}"
        )
        return Verdict(PARTLY, here, why)
    return Verdict(NOT, here, cost)


CLAIM = Claim(
    name="batch_norm",
    title="Batch normalisation's convergence",
    section="Advanced features: batch normalization; advanced CNN with batch normalization",
    quotes=("Faster convergence (2-10x speedup)", "Faster Training: 2-10x convergence speedup"),
    stated="2-10x",
    span=(_LEAST, _MOST),
    method=(
        "Steps of plain gradient descent, batches of 50, until 90% of 450 handwritten digits set aside (scikit-learn's) are "
        "recognised: a network of three convolutions, with and without batch normalisation, at learning rates "
        f"{', '.join(map(str, _RATES))}, the mean over {len(_SEEDS)} seeds; a run counts at most {_LIMIT} steps. The time of "
        "a step beside it. examples/batch_norm_convergence.py shows the same by epoch."
    ),
    criterion=(
        "Holds if the steps are at least 2 times fewer at every rate, and with each network at the best rate for it; partly, "
        "if they are at some rates."
    ),
    measure=_measure,
    judge=_judge,
)
