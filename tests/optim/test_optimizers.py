"""Every optimizer of the table converges on every problem, updates in place and goes on from its saved state bitwise."""

import copy
import pickle

import numpy as np
import pytest

import fastconv as fc
from fastconv import optim
from fastconv.optim import layout
from optimizers import OPTIMIZERS, Parameter, make, make_parameters


def quadratic(x):
    return 0.5 * float(((x - 1) ** 2).sum()), x - 1


def ill_conditioned(x):
    scales = np.logspace(0, -2, x.size)
    return 0.5 * float((scales * (x - 1) ** 2).sum()), scales * (x - 1)


def rosenbrock(x):
    a, b = x[:-1], x[1:]
    gradient = np.zeros_like(x)
    gradient[:-1] = -2 * (1 - a) - 400 * a * (b - a * a)
    gradient[1:] += 200 * (b - a * a)
    return float(((1 - a) ** 2 + 100 * (b - a * a) ** 2).sum()), gradient


def valley(x):
    """Smooth, and as steep far away as near: the logarithm of hyperbolic cosines."""
    d = x - 1
    return float(np.logaddexp(d, -d).sum() - x.size * np.log(2)), np.tanh(d)


# Problem -> (function, start, steps, {kind of optimizer: learning rate}).
PROBLEMS = {
    "quadratic": (quadratic, np.array([3.0, -2.0, 0.5]), 600, {"SGD": 0.05, "adaptive": 0.05, "Adagrad": 0.9}),
    "ill-conditioned": (ill_conditioned, np.array([2.0, 0.0, 2.0, 0.0]), 4000, {"SGD": 0.3, "adaptive": 0.02, "Adagrad": 0.9}),
    "rosenbrock": (rosenbrock, np.array([-0.5, 0.5]), 30000, {"SGD": 4e-4, "adaptive": 1e-2, "Adagrad": 0.9}),
    "valley": (valley, np.array([4.0, -3.0]), 1000, {"SGD": 0.05, "adaptive": 0.05, "Adagrad": 0.9}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_converges(name, problem):
    function, start, steps, rates = PROBLEMS[problem]
    kind = name.split()[0]
    p = Parameter("x", start.copy())
    optimizer = make(name, [p], lr=rates.get("SGD" if kind == "chain" else kind, rates["adaptive"]))
    # Sign-like updates do not come to rest by themselves.
    schedule = optim.Polynomial(optimizer, total_steps=steps, power=1)
    for _ in range(steps):
        _, p.grad = function(p.data)
        optimizer.step()
        schedule.step()
    assert function(p.data)[0] < 1e-3 * function(start)[0]
    assert np.abs(p.data - 1).max() < 0.1


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_maximize_is_descent_on_the_negative(name):
    if name == "chain":
        up, down = (Parameter("x", np.ones(3), sign * np.arange(3.0)) for sign in (1, -1))
        optim.chain(optim.Negate(), optim.Momentum(0.9), parameters=[up]).step()
        optim.chain(optim.Momentum(0.9), parameters=[down]).step()
    else:
        up, down = (Parameter("x", np.ones(3), sign * np.arange(3.0)) for sign in (1, -1))
        make(name, [up], maximize=True).step()
        make(name, [down]).step()
    np.testing.assert_array_equal(up.data, down.data)
    assert (up.data[1:] != 1).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_in_place_leaves_gradients_and_counts_versions(name, dtype):
    parameters = make_parameters(dtype=dtype)
    arrays = [(p.data, p.grad, p.data.copy(), p.grad.copy()) for p in parameters]
    optimizer = make(name, parameters)
    for _ in range(3):
        optimizer.step()
    for p, (data, grad, data_before, grad_before) in zip(parameters, arrays, strict=True):
        assert p.data is data and p.grad is grad and data.dtype == dtype and p.version == 3
        assert (data != data_before).all()
        np.testing.assert_array_equal(grad, grad_before)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_pass_and_stage_by_stage_in_blocks_are_the_same(name, monkeypatch):
    results = []
    for compiled, block in ((True, None), (False, 1 << 16), (False, 96)):
        monkeypatch.setattr("fastconv.optim.state.are_compiled", lambda stages, compiled=compiled: compiled)
        monkeypatch.setattr("fastconv.optim.optimizer.BLOCK", block)
        parameters = make_parameters([(1000,), (3, 7)], np.float32)
        optimizer = make(name, parameters)
        for _ in range(3):
            optimizer.step()
        results.append([p.data.copy() for p in parameters])
    for one_pass, whole, blocks in zip(*results, strict=True):
        np.testing.assert_array_equal(whole, blocks)
        # The last product and its subtraction are rounded once or twice.
        np.testing.assert_allclose(one_pass, whole, rtol=1e-6, atol=1e-7)


def in_layout(array, kind):
    if kind == "channels last":
        return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    if kind == "gaps":
        wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), np.nan, array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    if kind == "backwards":
        return np.ascontiguousarray(array[::-1])[::-1]
    return np.array(array, order=kind)


LAYOUTS = ("C", "F", "channels last", "gaps", "backwards")


@pytest.mark.parametrize("name", ["SGD momentum", "Adam amsgrad", "SGD clipped"])
@pytest.mark.parametrize("gradient", LAYOUTS)
@pytest.mark.parametrize("data", LAYOUTS)
def test_every_layout_of_data_and_gradient_gives_the_same(name, data, gradient):
    expected = make_parameters([(4, 3, 2, 5)], np.float32)
    given = [Parameter(p.name, in_layout(p.data, data), in_layout(p.grad, gradient)) for p in expected]
    kept = given[0].data
    ours, theirs = make(name, given), make(name, expected)
    for _ in range(3):
        ours.step()
        theirs.step()
    assert given[0].data is kept
    # Norms of float32 are summed in the order of memory.
    np.testing.assert_allclose(given[0].data, expected[0].data, rtol=1e-6 if name == "SGD clipped" else 0)
    state, expected_state = ours.state_dict(), theirs.state_dict()
    assert state.keys() == expected_state.keys()
    for key, value in expected_state.items():
        np.testing.assert_allclose(state[key], value, rtol=1e-6 if name == "SGD clipped" else 0)
    # Other memory formats later on take their state along.
    given[0].data = in_layout(given[0].data, "C")
    ours.step()
    theirs.step()
    np.testing.assert_allclose(given[0].data, expected[0].data, rtol=1e-6 if name == "SGD clipped" else 0)


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0, 3), (1, 1, 1)])
def test_shapes_at_the_edge(shape):
    p = Parameter("x", np.ones(shape), np.full(shape, 2.0))
    optimizer = optim.Adam([p], lr=0.1)
    optimizer.step()
    np.testing.assert_allclose(p.data, np.full(shape, 0.9), rtol=1e-6)
    assert optimizer.state_dict()["x.sum"].shape == shape


def run(optimizer, parameters, rng, steps):
    for _ in range(steps):
        for p in parameters:
            p.grad = rng.standard_normal(p.data.shape).astype(p.data.dtype)
        optimizer.step()


def through_npz(state, path):
    np.savez(path, **state)
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


SAVED = {
    "as returned": lambda state, path: state,
    "npz": lambda state, path: through_npz(state, path / "state.npz"),
    "pickle": lambda state, path: pickle.loads(pickle.dumps(state)),
}


@pytest.mark.parametrize("when", ["made with parameters", "before bind", "after bind"])
@pytest.mark.parametrize("saved", SAVED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_restored_optimizer_goes_on_bitwise(name, dtype, saved, when, tmp_path):
    parameters = make_parameters(dtype=dtype)
    optimizer = make(name, parameters, lr=0.1)
    run(optimizer, parameters, np.random.default_rng(1), 4)
    optimizer.lr = 0.1 / 3
    state = SAVED[saved](optimizer.state_dict(), tmp_path)
    twins = [Parameter(p.name, p.data.copy()) for p in parameters]
    if when == "made with parameters":
        restored = make(name, twins)
        restored.load_state_dict(state)
    else:
        restored = make(name)
        if when == "after bind":
            restored.bind(twins)
        restored.load_state_dict(state)
        assert restored.state_dict().keys() == state.keys()
        restored.bind(twins)
    run(optimizer, parameters, np.random.default_rng(2), 3)
    run(restored, twins, np.random.default_rng(2), 3)
    assert restored.lr == optimizer.lr
    for p, twin in zip(parameters, twins, strict=True):
        np.testing.assert_array_equal(p.data, twin.data)


def test_a_state_dictionary_is_a_snapshot_both_ways():
    parameters = make_parameters()
    optimizer = optim.SGD(parameters, momentum=0.9)
    optimizer.step()
    state = optimizer.state_dict()
    before = {key: np.array(value) for key, value in state.items()}
    optimizer.step()
    optimizer.load_state_dict(state)
    optimizer.step()
    for key, value in before.items():
        np.testing.assert_array_equal(state[key], value)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_pickle_and_deepcopy_with_their_parameters(name):
    parameters = make_parameters()
    optimizer = make(name, parameters) if name != "chain" else optim.chain(optim.Momentum(0.9), parameters=parameters)
    optimizer.step()
    for twins, twin in (copy.deepcopy((parameters, optimizer)), pickle.loads(pickle.dumps((parameters, optimizer)))):
        originals, original = copy.deepcopy((parameters, optimizer))
        original.step()
        twin.step()
        for p, q in zip(originals, twins, strict=True):
            np.testing.assert_array_equal(p.data, q.data)
            assert p.version == q.version == 2


def test_parameters_without_gradient_or_frozen_are_left_alone_and_see_no_step():
    parameters = make_parameters([(2,), (2,), (2,)])
    parameters[0].grad = None
    parameters[1].trainable = False
    before = [p.data.copy() for p in parameters]
    optimizer = optim.Adam(parameters, lr=0.1)
    optimizer.step()
    assert [p.version for p in parameters] == [0, 0, 1]
    assert [bool((p.data == b).all()) for p, b in zip(parameters, before, strict=True)] == [True, True, False]
    assert {key for key in optimizer.state_dict() if key.endswith(".step")} == {"layer2.weight.step"}
    # The first step of a parameter is its own, however late it comes: Adam's has the length of the learning rate.
    parameters[1].trainable = True
    optimizer.step()
    np.testing.assert_allclose(np.abs(parameters[1].data - before[1]), 0.1, rtol=1e-6)


def test_parameters_without_trainable_or_version_are_updated():
    class Bare:
        name, data, grad = "x", np.ones(2), np.ones(2)

    bare = Bare()
    optim.SGD([bare], lr=0.5).step()
    np.testing.assert_array_equal(bare.data, [0.5, 0.5])
    assert not hasattr(bare, "version")


def test_zero_grad_drops_gradients_or_fills_them():
    parameters = make_parameters()
    parameters[1].grad = None
    optimizer = optim.SGD(parameters)
    kept = parameters[0].grad
    optimizer.zero_grad(set_to_none=False)
    assert parameters[0].grad is kept and not kept.any() and parameters[1].grad is None
    optimizer.zero_grad()
    assert parameters[0].grad is None


def test_groups_have_options_of_their_own_and_keep_their_proportion_of_the_learning_rate():
    a, b = (Parameter(name, np.ones(2), np.ones(2)) for name in "ab")
    optimizer = optim.SGD([{"params": [a]}, {"params": iter([b]), "lr": 0.4, "weight_decay": 1.0}], lr=0.1)
    optimizer.step()
    np.testing.assert_allclose(a.data, 0.9)
    np.testing.assert_allclose(b.data, 1 - 0.4 * 2)
    optimizer.lr = 0.05
    a.data[:] = b.data[:] = 1
    optimizer.step()
    np.testing.assert_allclose(a.data, 0.95)
    np.testing.assert_allclose(b.data, 1 - 0.2 * 2)
    assert optimizer.parameters == [a, b]


def test_the_first_argument_may_be_the_learning_rate():
    for lr in (0.5, 1, np.float32(0.5), np.array(0.5)):
        optimizer = optim.Adam(lr)
        assert optimizer.lr == float(lr) and type(optimizer.lr) is float and optimizer.parameters == []
    with pytest.raises(fc.InvalidArgumentError, match=r"^lr: got 0.5 and 0.1"):
        optim.Adam(0.5, 0.1)


def test_binding_the_same_does_nothing_and_others_is_an_error():
    parameters = make_parameters()
    optimizer = optim.SGD(0.1, momentum=0.9)
    optimizer.bind(iter(parameters))
    optimizer.step()
    optimizer.bind(parameters)
    optimizer.bind(parameters[::-1])
    assert optimizer.state_dict()["layer0.weight.step"] == 1
    for others in (parameters[:1], [*parameters, Parameter("new", np.ones(1))], make_parameters()):
        with pytest.raises(fc.InvalidArgumentError, match=r"^parameters: the optimizer is bound to 2 others"):
            optimizer.bind(others)
    # Part of a network, chosen when the optimizer was made, may be trained.
    part = optim.SGD(parameters[:1])
    part.bind(parameters)
    assert part.parameters == parameters[:1]
    with pytest.raises(fc.InvalidArgumentError, match="bound to 1 others"):
        part.bind(parameters[1:])


def test_equal_names_are_told_apart_in_the_state():
    parameters = [Parameter("w", np.ones(2), np.ones(2)), Parameter("w", np.ones(3), np.ones(3))]
    optimizer = optim.SGD(parameters, momentum=0.9)
    optimizer.step()
    assert set(optimizer.state_dict()) == {"lr", "w#0.step", "w#0.momentum", "w#1.step", "w#1.momentum"}


def test_stages_of_one_kind_have_states_of_their_own():
    p = Parameter("w", np.zeros(1), np.ones(1))
    optimizer = optim.chain(optim.Momentum(0.5), optim.Momentum(0.5), parameters=[p])
    optimizer.step()
    optimizer.step()
    state = optimizer.state_dict()
    assert (state["w.momentum"], state["w.momentum2"]) == (1.5, 2.0)


def test_overflow_is_silent_and_shows_in_the_data():
    p = Parameter("w", np.ones(2, np.float32), np.array([3e38, np.nan], np.float32))
    optim.SGD([p], lr=10.0, momentum=0.9).step()
    assert p.data[0] == -np.inf and np.isnan(p.data[1])


def test_centered_rmsprop_stands_a_constant_gradient():
    p = Parameter("w", np.ones(100, np.float32), np.linspace(0.1, 1, 100, dtype=np.float32))
    optimizer = optim.RMSprop([p], centered=True, alpha=0.5, eps=1e-3)
    for _ in range(100):
        optimizer.step()
    assert np.isfinite(p.data).all()


def with_state(**changes):
    optimizer = optim.SGD([Parameter("w", np.ones(2), np.ones(2))], momentum=0.9)
    optimizer.step()
    state = {**optimizer.state_dict(), **{key.replace("_", "."): value for key, value in changes.items()}}
    return lambda: optimizer.load_state_dict({key: value for key, value in state.items() if value is not None})


def stepping(data, grad):
    return optim.SGD([Parameter("w", data, grad)]).step


ONE = [Parameter("w", np.ones(2), np.ones(2))]
READ_ONLY = np.broadcast_to(np.ones(1), (2,))
ERRORS = {
    "negative lr": (lambda: optim.SGD(ONE, lr=-1), ValueError, "lr: got -1, expected at least 0"),
    "infinite lr": (lambda: optim.SGD(ONE, lr=float("inf")), ValueError, "lr: got inf, expected a finite number"),
    "lr of two": (lambda: optim.SGD(ONE, lr=np.ones(2)), TypeError, "lr: got .*, expected a number"),
    "lr set to text": (lambda: setattr(optim.SGD(ONE), "lr", "0.1"), TypeError, "lr: got '0.1', expected a number"),
    "momentum": (lambda: optim.SGD(ONE, momentum=-0.5), ValueError, "momentum: got -0.5"),
    "momentum of one": (lambda: optim.SGD(ONE, momentum=1.0), ValueError, "momentum: got 1.0"),
    "dampening": (lambda: optim.SGD(ONE, dampening=2), ValueError, "dampening: got 2"),
    "nesterov without momentum": (lambda: optim.SGD(ONE, nesterov=True), ValueError, "nesterov: "),
    "nesterov damped": (lambda: optim.SGD(ONE, momentum=0.9, dampening=0.1, nesterov=True), ValueError, "nesterov: "),
    "weight decay": (lambda: optim.Adam(ONE, weight_decay=-1), ValueError, "weight_decay: got -1"),
    "beta": (lambda: optim.Adam(ONE, betas=(1.0, 0.0)), ValueError, r"betas\[0\]: got 1.0"),
    "betas": (lambda: optim.Adam(ONE, betas=0.9), TypeError, "betas: got 0.9"),
    "eps": (lambda: optim.Adam(ONE, eps=-1e-8), ValueError, "eps: got -1e-08"),
    "alpha": (lambda: optim.RMSprop(ONE, alpha=1), ValueError, "alpha: got 1"),
    "lr decay": (lambda: optim.Adagrad(ONE, lr_decay=-0.5), ValueError, "lr_decay: got -0.5"),
    "accumulator": (lambda: optim.Adagrad(ONE, initial_accumulator_value=-1), ValueError, "initial_accumulator_value: got -1"),
    "clip norm": (lambda: optim.SGD(ONE, clip_norm=0), ValueError, "clip_norm: got 0"),
    "clip value": (lambda: optim.SGD(ONE, clip_value=-1), ValueError, "clip_value: got -1"),
    "clip later": (
        lambda: optim.chain(optim.Momentum(0.9), optim.ClipByGlobalNorm(1.0)),
        ValueError,
        "transformations: ClipBy",
    ),
    "no stage": (lambda: optim.chain(optim.Momentum), TypeError, "transformations: got"),
    "none": (lambda: optim.SGD([]), ValueError, "parameters: got none"),
    "a parameter alone": (lambda: optim.SGD(ONE[0]), TypeError, "parameters: got a Parameter"),
    "an array": (lambda: optim.SGD([np.ones(2)]), TypeError, "parameters: got a ndarray"),
    "twice": (lambda: optim.SGD(ONE * 2), ValueError, "parameters: one of them is given twice"),
    "in two groups": (
        lambda: optim.SGD([{"params": ONE}, {"params": ONE}]),
        ValueError,
        "parameters: one of them is given twice",
    ),
    "groups and parameters": (
        lambda: optim.SGD([{"params": ONE}, ONE[0]]),
        TypeError,
        "parameters: got Parameter.* beside groups",
    ),
    "group without params": (lambda: optim.SGD([{"lr": 1}]), TypeError, "parameters: got .* beside groups"),
    "group of one": (lambda: optim.SGD([{"params": ONE[0]}]), TypeError, "params: got a Parameter"),
    "group option": (
        lambda: optim.SGD([{"params": ONE, "beta": 1}]),
        ValueError,
        "parameters: a group has no option 'beta'; there are params, lr, momentum",
    ),
    "group value": (lambda: optim.SGD([{"params": ONE, "momentum": 2}]), ValueError, "momentum: got 2"),
    "group of no lr": (lambda: optim.SGD([{"params": ONE, "lr": 1}], lr=0), ValueError, "lr: got 0 and a group with 1"),
    "unbound": (lambda: optim.SGD().step(), ValueError, "parameters: the optimizer has none yet"),
    "integer data": (stepping(np.ones(2, int), np.ones(2)), TypeError, "w: data is an array of int64"),
    "no data": (stepping(None, np.ones(2)), TypeError, "w: data is a NoneType"),
    "read-only data": (stepping(READ_ONLY, np.ones(2)), ValueError, "w: data is read-only"),
    "other dtype": (stepping(np.ones(2), np.ones(2, np.float32)), TypeError, "w: grad is an array of float32"),
    "other shape": (stepping(np.ones(2), np.ones((2, 1))), ValueError, r"w: grad has shape \(2, 1\), expected \(2,\)"),
    "no state": (lambda: optim.SGD(ONE).load_state_dict({}), ValueError, "state: expected the mapping"),
    "missing": (with_state(w_step=None), ValueError, "state: 'w.step' is missing"),
    "unknown": (with_state(v_step=1), ValueError, "state: 'v.step' belongs to no parameter"),
    "half a step": (with_state(w_step=0.5), ValueError, "state: w.step is 0.5"),
    "state of another shape": (with_state(w_momentum=np.ones(3)), ValueError, r"state: w.momentum is .*shape \(3,\)"),
    "state of another dtype": (with_state(w_momentum=np.ones(2, np.float32)), ValueError, "state: w.momentum is .*float32"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_every_bad_argument_is_one_clear_error(case):
    call, kind, message = ERRORS[case]
    with pytest.raises(fc.FastconvError, match=f"^{message}") as caught:
        call()
    assert isinstance(caught.value, kind)


def test_a_refused_step_changes_nothing():
    parameters = make_parameters()
    parameters[1].grad = np.ones(4)
    before = parameters[0].data.copy()
    optimizer = optim.SGD(parameters)
    with pytest.raises(fc.InvalidArgumentError):
        optimizer.step()
    np.testing.assert_array_equal(parameters[0].data, before)
    assert optimizer.state_dict() == {"lr": 0.01}


def test_a_refused_state_changes_nothing():
    parameters = make_parameters()
    optimizer = optim.SGD(parameters, momentum=0.9)
    optimizer.step()
    state = optimizer.state_dict()
    bad = {**state, "lr": 5.0, "layer1.weight.momentum": np.ones(1)}
    bad["layer0.weight.momentum"] = np.zeros((3, 4))
    with pytest.raises(fc.InvalidArgumentError):
        optimizer.load_state_dict(bad)
    assert optimizer.lr == 0.01
    np.testing.assert_array_equal(optimizer.state_dict()["layer0.weight.momentum"], state["layer0.weight.momentum"])


def test_data_of_another_size_is_refused_once_there_is_state():
    (p,) = make_parameters([(4,)])
    optimizer = optim.SGD([p], momentum=0.9)
    optimizer.step()
    p.data, p.grad = np.ones(5), np.ones(5)
    with pytest.raises(fc.InvalidArgumentError, match=r"layer0.weight: data has become an array of float64, shape \(5,\)"):
        optimizer.step()


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 4, 1), (), (2, 0)])
def test_flattening_has_an_inverse(shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    for axes in ((2, 0, 1), (1, 2, 0)):
        view = array.transpose(axes) if array.ndim == 3 else array
        order = layout.memory_order(view)
        flat = layout.flatten(view, order)
        assert np.shares_memory(flat, array) or array.size == 0
        np.testing.assert_array_equal(layout.unflatten(flat, view.shape, order), view)
    assert layout.memory_order(np.ones((4, 4))[:, ::2]) is None
