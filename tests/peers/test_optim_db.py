"""Trajectories of every configuration that PyTorch tests its own optimizers with, and of its learning-rate schedules."""

import importlib
import warnings

import numpy as np
import pytest

from fastconv import optim
from optimizers import Parameter

pytestmark = pytest.mark.peers

OPTIMIZERS = ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad")
# How PyTorch arranges the arithmetic; the results are the same.
SWITCHES = ("capturable", "differentiable", "foreach", "fused")
SHAPES = ((4, 3), (7,), (2, 3, 2, 2))
STEPS = 30


@pytest.fixture(scope="module")
def torch():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch")
        pytest.importorskip("expecttest")
        importlib.import_module("torch.testing._internal.common_optimizers")
    return torch


def as_plain(torch, value):
    return value.item() if isinstance(value, torch.Tensor) else value


def configurations(torch, name):
    (info,) = [i for i in torch.testing._internal.common_optimizers.optim_db if i.optim_cls is getattr(torch.optim, name)]
    for device in ("cpu", "mps", "cuda"):
        # The lists of other devices hold configurations more; all run on the CPU.
        for case in info.optim_inputs_func(device):
            options = {key: value for key, value in case.kwargs.items() if key not in SWITCHES}
            if isinstance(options.get("betas"), tuple):
                options["betas"] = tuple(as_plain(torch, beta) for beta in options["betas"])
            yield {key: as_plain(torch, value) for key, value in options.items()}


def gradients_at(arrays, centres):
    """Of a function with curvature and without bounds on its slope, so that a trajectory depends on its past."""
    return [np.sin(3 * (a - c)) + 0.3 * (a - c) for a, c in zip(arrays, centres, strict=True)]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_configuration_follows_the_same_trajectory(torch, name):
    count = 0
    for options in configurations(torch, name):
        rng = np.random.default_rng(count)
        start, centres = ([rng.standard_normal(shape) for shape in SHAPES] for _ in range(2))
        ours = [Parameter(f"p{i}", array.copy()) for i, array in enumerate(start)]
        theirs = [torch.nn.Parameter(torch.from_numpy(array.copy())) for array in start]
        peer = getattr(torch.optim, name)(theirs, **options)
        # SGD's default learning rates differ.
        optimizer = getattr(optim, name)(ours, **{"lr": peer.defaults["lr"], **options})
        for step in range(STEPS):
            for p, q, g, h in zip(
                ours,
                theirs,
                gradients_at([p.data for p in ours], centres),
                gradients_at([q.detach().numpy() for q in theirs], centres),
                strict=True,
            ):
                # A parameter that has no gradient for a while, or none until later, counts its own steps.
                missing = p.data.shape == SHAPES[1] and step % 4 == 0
                p.grad, q.grad = (None, None) if missing else (g, torch.from_numpy(h))
            optimizer.step()
            peer.step()
            for p, q in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=0, atol=1e-6, err_msg=str(options))
        count += 1
    assert count >= 14


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_pytorch_refuses_is_refused(torch, name):
    (info,) = [i for i in torch.testing._internal.common_optimizers.optim_db if i.optim_cls is getattr(torch.optim, name)]
    count = 0
    for case in info.optim_error_inputs_func("cpu", torch.float64):
        options = dict(case.optimizer_error_input.kwargs)
        # Names in tuples and tensors as numbers are matters of PyTorch's own interface.
        if not options or any(key in SWITCHES or "Tensor" in str(case.error_regex) for key in options):
            continue
        with pytest.raises(case.error_type):
            getattr(optim, name)([Parameter("p", np.ones(2))], **options)
        count += 1
    # AdamW's and Adam's have more.
    assert count >= 1


def test_groups_follow_the_same_trajectory(torch):
    rng = np.random.default_rng(0)
    start, centres = ([rng.standard_normal(shape) for shape in SHAPES[:2]] for _ in range(2))
    ours = [Parameter(f"p{i}", array.copy()) for i, array in enumerate(start)]
    theirs = [torch.nn.Parameter(torch.from_numpy(array.copy())) for array in start]
    options = {"momentum": 0.9, "lr": 0.05, "weight_decay": 0.1}
    own = {"lr": 0.02, "weight_decay": 0.0}
    optimizer = optim.SGD([{"params": ours[:1]}, {"params": ours[1:], **own}], **options)
    peer = torch.optim.SGD([{"params": theirs[:1]}, {"params": theirs[1:], **own}], **options)
    schedules = optim.StepLR(optimizer, step_size=5, gamma=0.5), torch.optim.lr_scheduler.StepLR(peer, 5, 0.5)
    for _ in range(STEPS):
        for p, q, g in zip(ours, theirs, gradients_at([p.data for p in ours], centres), strict=True):
            p.grad, q.grad = g, torch.from_numpy(g.copy())
        optimizer.step()
        peer.step()
        for schedule in schedules:
            schedule.step()
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("max_norm", [0.1, 1e3])
def test_clipping_agrees(torch, max_norm):
    rng = np.random.default_rng(0)
    gradients = [rng.standard_normal(shape) for shape in SHAPES]
    ours = [Parameter("p", g, g.copy()) for g in gradients]
    theirs = [torch.nn.Parameter(torch.from_numpy(g)) for g in gradients]
    for p, g in zip(theirs, gradients, strict=True):
        p.grad = torch.from_numpy(g.copy())
    norm = torch.nn.utils.clip_grad_norm_(theirs, max_norm)
    np.testing.assert_allclose(optim.clip_grad_norm(ours, max_norm), norm.item(), rtol=1e-14)
    for p, q in zip(ours, theirs, strict=True):
        # PyTorch adds 1e-6 to the norm that it divides by.
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=2e-6 / norm.item())


# Name -> (ours, PyTorch's with an optimizer, steps both are defined for).
SCHEDULES = {
    "step": (lambda o: optim.StepLR(o, step_size=3, gamma=0.5), lambda s, o: s.StepLR(o, 3, 0.5), 20),
    "multi-step": (lambda o: optim.MultiStep(o, milestones=[2, 7, 7]), lambda s, o: s.MultiStepLR(o, [2, 7, 7]), 20),
    "exponential": (lambda o: optim.ExponentialLR(o, gamma=0.9), lambda s, o: s.ExponentialLR(o, 0.9), 40),
    "cosine": (
        lambda o: optim.CosineAnnealing(o, period=15, min_lr=0.01),
        lambda s, o: s.CosineAnnealingLR(o, 15, 0.01),
        15,
    ),
    "cosine with restarts": (
        lambda o: optim.CosineAnnealing(o, period=3, t_mult=2, min_lr=0.01),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2, 0.01),
        50,
    ),
    "cosine with equal restarts": (
        lambda o: optim.CosineAnnealing(o, period=4, t_mult=1),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 4),
        20,
    ),
    "warm-up": (lambda o: optim.LinearWarmup(o, steps=5), lambda s, o: s.LinearLR(o), 10),
    "polynomial": (
        lambda o: optim.Polynomial(o, total_steps=12, power=2.5),
        lambda s, o: s.PolynomialLR(o, 12, 2.5),
        20,
    ),
    **{
        f"one-cycle {strategy} {three_phase} {steps}": (
            lambda o, n=steps, a=strategy, t=three_phase: optim.OneCycle(
                o, max_lr=0.3, total_steps=n, anneal_strategy=a, three_phase=t
            ),
            lambda s, o, n=steps, a=strategy, t=three_phase: s.OneCycleLR(
                o, 0.3, n, anneal_strategy=a, three_phase=t, cycle_momentum=False
            ),
            steps - 1,
        )
        for strategy in ("cos", "linear")
        for three_phase in (False, True)
        for steps in (10, 37)
    },
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_agree(torch, name):
    make, make_peer, steps = SCHEDULES[name]
    optimizer, peer = optim.SGD(lr=0.2), torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2)
    schedule, peer_schedule = make(optimizer), make_peer(torch.optim.lr_scheduler, peer)
    for _ in range(steps):
        assert optimizer.lr == pytest.approx(peer.param_groups[0]["lr"], rel=1e-10, abs=1e-15)
        peer.step()
        schedule.step()
        peer_schedule.step()
    assert optimizer.lr == pytest.approx(peer.param_groups[0]["lr"], rel=1e-10, abs=1e-15)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize(("patience", "cooldown"), [(0, 0), (2, 0), (1, 3)])
def test_reduction_on_plateau_agrees(torch, mode, threshold_mode, patience, cooldown):
    options = {
        "mode": mode,
        "threshold_mode": threshold_mode,
        "patience": patience,
        "cooldown": cooldown,
        "factor": 0.6,
        "threshold": 0.05,
        "min_lr": 1e-3,
    }
    optimizer, peer = optim.SGD(lr=0.2), torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2)
    schedule = optim.ReduceOnPlateau(optimizer, **options)
    peer_schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(peer, **options)
    seen = set()
    for metric in np.random.default_rng(0).uniform(1, 2, 60).tolist():
        schedule.step(metric)
        peer_schedule.step(metric)
        assert optimizer.lr == peer.param_groups[0]["lr"]
        seen.add(optimizer.lr)
    assert len(seen) > 5
