"""Schedules: values by hand formulas, binding, and states that are restored exactly."""

import copy
import json
import math

import numpy as np
import pytest

import fastconv as fc
from fastconv import optim

# Name -> (schedule without optimizer, the rate by hand for an optimizer of lr 0.5).
SCHEDULES = {
    "step": (lambda: optim.StepLR(step_size=3, gamma=0.5), lambda t: optim.step_decay(t, 0.5, 0.5, 3)),
    "multi-step": (lambda: optim.MultiStep(milestones=[7, 2], gamma=0.5), lambda t: 0.5 * 0.5 ** ((t >= 2) + (t >= 7))),
    "exponential": (lambda: optim.ExponentialLR(gamma=0.9), lambda t: optim.exp_decay(t, 0.5, 0.9)),
    "exponential by rate": (lambda: optim.ExponentialLR(gamma=math.exp(-0.3)), lambda t: 0.5 * math.exp(-0.3 * t)),
    "cosine": (
        lambda: optim.CosineAnnealing(period=8, min_lr=0.1),
        lambda t: optim.cosine_decay(min(t, 8), 0.5, 0.1, 8),
    ),
    "cosine with restarts": (
        lambda: optim.CosineAnnealing(period=3, t_mult=2, min_lr=0.1),
        lambda t: optim.cosine_decay(t if t < 3 else t - 3 if t < 9 else t - 9, 0.5, 0.1, 3 if t < 3 else 6 if t < 9 else 12),
    ),
    "cosine with equal restarts": (
        lambda: optim.CosineAnnealing(period=3, t_mult=1),
        lambda t: optim.cosine_decay(t % 3, 0.5, 0.0, 3),
    ),
    "cosine with warm-up": (
        lambda: optim.CosineAnnealing(period=5, warmup_steps=4),
        lambda t: 0.5 * (t + 1) / 5 if t < 4 else optim.cosine_decay(min(t - 4, 5), 0.5, 0.0, 5),
    ),
    "warm-up": (lambda: optim.LinearWarmup(steps=4, start_factor=0.2), lambda t: 0.5 * min(1, 0.2 + 0.8 * t / 4)),
    "warm-up, then step": (
        lambda: optim.LinearWarmup(steps=4, start_factor=0.0, after=optim.StepLR(step_size=2, gamma=0.5)),
        lambda t: 0.5 * t / 4 if t < 4 else optim.step_decay(t - 4, 0.5, 0.5, 2),
    ),
    "one-cycle": (
        lambda: optim.OneCycle(max_lr=1.0, total_steps=10, pct_start=0.5, anneal_strategy="linear", final_div_factor=10.0),
        lambda t: 0.04 + 0.96 * t / 4 if t <= 4 else 1 + (0.004 - 1) * (min(t, 9) - 4) / 5,
    ),
    "polynomial": (
        lambda: optim.Polynomial(total_steps=6, power=2, min_lr=0.1),
        lambda t: 0.1 + 0.4 * (1 - min(t, 6) / 6) ** 2,
    ),
    "function": (lambda: optim.FunctionLR(function=optim.exp_decay), optim.exp_decay),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_by_hand(name):
    make, by_hand = SCHEDULES[name]
    optimizer = optim.SGD(lr=0.5)
    schedule = make()
    schedule.bind(optimizer)
    for t in range(15):
        assert optimizer.lr == schedule.at(t) == pytest.approx(by_hand(t), rel=1e-13)
        schedule.step()
    assert schedule.count == 15


def test_one_cycle_of_three_phases_by_hand():
    schedule = optim.OneCycle(
        optim.SGD(), max_lr=1.0, total_steps=20, pct_start=0.25, three_phase=True, anneal_strategy="linear", div_factor=10
    )
    np.testing.assert_allclose([schedule.at(t) for t in (0, 2, 4, 6, 8, 19, 30)], [0.1, 0.55, 1, 0.55, 0.1, 1e-5, 1e-5])


@pytest.mark.parametrize("lr", [0.5, 0.0])
@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_are_never_negative(name, lr):
    schedule = SCHEDULES[name][0]()
    schedule.bind(optim.SGD(lr=lr))
    assert min(schedule.at(t) for t in range(100)) >= 0


PLATEAUS = {
    # (options, metrics, rates of an optimizer of lr 1 after each)
    "patience": ({"patience": 1, "factor": 0.5}, [3, 2, 2, 2, 2, 2], [1, 1, 1, 0.5, 0.5, 0.25]),
    "threshold": ({"patience": 0, "threshold": 0.1, "factor": 0.5}, [10, 9.5, 8], [1, 0.5, 0.5]),
    "absolute": ({"patience": 0, "threshold": 1, "threshold_mode": "abs", "factor": 0.5}, [10, 9.5, 8.4], [1, 0.5, 0.5]),
    "max": ({"patience": 0, "mode": "max", "factor": 0.5}, [1, 2, 1.5, 3], [1, 1, 0.5, 0.5]),
    "cooldown": ({"patience": 0, "cooldown": 2, "factor": 0.5}, [1, 1, 1, 1, 1], [1, 0.5, 0.5, 0.5, 0.25]),
    "smallest": ({"patience": 0, "min_lr": 0.3, "factor": 0.5}, [1, 1, 1, 1], [1, 0.5, 0.3, 0.3]),
    "not a number": ({"patience": 0, "factor": 0.5}, [1, float("nan"), 0.5], [1, 0.5, 0.5]),
}


@pytest.mark.parametrize("case", PLATEAUS)
def test_reduction_on_plateau_by_hand(case):
    options, metrics, rates = PLATEAUS[case]
    optimizer = optim.SGD(lr=1.0)
    schedule = optim.ReduceOnPlateau(optimizer, **options)
    seen = []
    for metric in metrics:
        schedule.step(metric)
        seen.append(optimizer.lr)
    assert seen == rates


EVERY = {name: make for name, (make, _) in SCHEDULES.items()}
EVERY["plateau"] = lambda: optim.ReduceOnPlateau(patience=1, cooldown=1, factor=0.7)


@pytest.mark.parametrize("through_json", [False, True])
@pytest.mark.parametrize("name", EVERY)
def test_a_restored_schedule_goes_on_exactly(name, through_json):
    make = EVERY[name]
    metrics = np.random.default_rng(0).uniform(1, 2, 30).tolist()
    optimizer, schedule = optim.SGD(lr=0.1), make()
    schedule.bind(optimizer)
    for metric in metrics[:11]:
        schedule.step(metric)
    state = schedule.state_dict()
    state = json.loads(json.dumps(state)) if through_json else {k: v if v is None else np.array(v) for k, v in state.items()}
    restored = [(optim.SGD(lr=7.0), make()) for _ in range(2)]
    restored[0][1].bind(restored[0][0])
    restored[0][1].load_state_dict(state)
    restored[1][1].load_state_dict(state)
    restored[1][1].bind(restored[1][0])
    for metric in metrics[11:]:
        for other, other_schedule in restored:
            assert other.lr == optimizer.lr
            other_schedule.step(metric)
        schedule.step(metric)


def test_schedules_deepcopy_with_their_optimizer():
    optimizer = optim.SGD(lr=1.0)
    schedule = optim.ExponentialLR(optimizer, gamma=0.5)
    other_optimizer, other = copy.deepcopy((optimizer, schedule))
    other.step()
    assert (optimizer.lr, other_optimizer.lr) == (1.0, 0.5)


def test_groups_follow_in_proportion():
    p = type("P", (), {"name": "w", "data": np.zeros(1), "grad": np.ones(1)})()
    optimizer = optim.SGD([{"params": [p], "lr": 0.2}], lr=0.1)
    optim.StepLR(optimizer, step_size=1, gamma=0.5).step()
    optimizer.step()
    np.testing.assert_allclose(p.data, -0.1)


def bound():
    schedule = optim.StepLR(optim.SGD(), step_size=1)
    return schedule


ERRORS = {
    "step size": (lambda: optim.StepLR(step_size=0), ValueError, "step_size: got 0, expected at least 1"),
    "half a step": (lambda: optim.StepLR(step_size=1.5), TypeError, "step_size: got 1.5, expected an integer"),
    "gamma": (lambda: optim.ExponentialLR(gamma=-1), ValueError, "gamma: got -1"),
    "milestones": (lambda: optim.MultiStep(milestones=3), TypeError, "milestones: got 3"),
    "milestone": (lambda: optim.MultiStep(milestones=[0]), ValueError, "milestones: got 0"),
    "period": (lambda: optim.CosineAnnealing(period=0), ValueError, "period: got 0"),
    "t_mult": (lambda: optim.CosineAnnealing(period=1, t_mult=0), ValueError, "t_mult: got 0"),
    "min_lr": (lambda: optim.Polynomial(total_steps=1, min_lr=-1), ValueError, "min_lr: got -1"),
    "start_factor": (lambda: optim.LinearWarmup(steps=1, start_factor=2), ValueError, "start_factor: got 2"),
    "after": (lambda: optim.LinearWarmup(steps=1, after=optim.ReduceOnPlateau()), TypeError, "after: got"),
    "after bound": (lambda: optim.LinearWarmup(steps=1, after=bound()), TypeError, "after: got"),
    "max_lr": (lambda: optim.OneCycle(max_lr=0, total_steps=1), ValueError, "max_lr: got 0"),
    "strategy": (
        lambda: optim.OneCycle(max_lr=1, total_steps=1, anneal_strategy="up"),
        ValueError,
        "anneal_strategy: got 'up'",
    ),
    "pct_start": (lambda: optim.OneCycle(max_lr=1, total_steps=1, pct_start=30), ValueError, "pct_start: got 30"),
    "mode": (lambda: optim.ReduceOnPlateau(mode="up"), ValueError, "mode: got 'up', expected one of min, max"),
    "factor": (lambda: optim.ReduceOnPlateau(factor=1.0), ValueError, "factor: got 1.0"),
    "no metric": (lambda: optim.ReduceOnPlateau(optim.SGD()).step(), TypeError, "metric: got None"),
    "function": (lambda: optim.FunctionLR(function=0.1), TypeError, "function: got 0.1"),
    "unbound": (lambda: optim.StepLR(step_size=1).step(), ValueError, "optimizer: the schedule has none yet"),
    "no optimizer": (lambda: optim.StepLR(3, step_size=1), TypeError, "optimizer: got a int"),
    "bound to another": (lambda: bound().bind(optim.SGD()), ValueError, "optimizer: the schedule is bound to another"),
    "state": (lambda: bound().load_state_dict({"count": 1}), ValueError, "state: expected the mapping.*count, base_lr"),
    "state's count": (lambda: bound().load_state_dict({"count": -1, "base_lr": 1.0}), ValueError, "count: got -1"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_every_bad_argument_is_one_clear_error(case):
    call, kind, message = ERRORS[case]
    with pytest.raises(fc.FastconvError, match=f"^{message}") as caught:
        call()
    assert isinstance(caught.value, kind)
