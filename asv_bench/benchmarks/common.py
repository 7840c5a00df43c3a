"""The layers that the benchmarks use, and one way of running an algorithm on each."""

import numpy as np

import fastconv as fc
from fastconv.report.tables import load_layers

# One of each kind in the shipped tables, as (table, layer).
_NAMED = (
    ("resnet50", "conv1"),
    ("resnet50", "res2a_branch1"),
    ("resnet50", "res2a_branch2b"),
    ("resnet50", "res3a_branch2b"),
    ("resnet50", "res4b_branch2b"),
    ("resnet50", "res5b_branch2b"),
    ("vgg16", "conv1_2"),
    ("mobilenet_v1", "conv3_1/dw"),
    ("mobilenet_v1", "conv8"),
    ("cifar", "resnet18_1"),
    ("mixed", "res_5x5"),
    ("mixed", "dense_15x15"),
    ("mixed", "resnext50_3x3_g32"),
    ("mixed", "dw_31x31"),
    ("mixed", "dilated_3x3_d2"),
    ("mixed", "asymmetric_1x7"),
)
_tables = {table: {layer.name: layer.problem for layer in load_layers(table)} for table, _ in _NAMED}
LAYERS = {f"{table} {layer}": _tables[table][layer] for table, layer in _NAMED}
ALGORITHMS = fc.algorithms.names()


def problem_of(layer, **changes):
    return LAYERS[layer].replace(**changes)


def require_support(algorithm, problem):
    """Leave the combination out of the suite where the algorithm cannot do the problem."""
    reason = fc.algorithms.get(algorithm).supports(problem)
    if reason is not None:
        raise NotImplementedError(reason)


def random_array(shape, memory_format, seed):
    a = np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)
    return np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) if memory_format == "nhwc" else a


def call_of(problem, algorithm):
    """A function without arguments that runs `problem` once as a program would: weights packed and output allocated before,
    where the interface allows it."""
    x = random_array(problem.x_shape, problem.memory_format, 0)
    w = random_array(problem.w_shape, "nchw", 1)
    y = random_array(problem.y_shape, problem.memory_format, 2)
    if problem.direction == "forward":
        conv = fc.plan(problem, algorithm=algorithm).prepare(w)
        return lambda: conv(x, out=y)
    parameters = {"stride": problem.stride, "padding": problem.padding, "dilation": problem.dilation, "groups": problem.groups}
    if problem.direction == "input_grad":
        return lambda: fc.conv2d_input_grad(y, w, problem.x_shape, algorithm=algorithm, **parameters)
    return lambda: fc.conv2d_weight_grad(y, x, problem.w_shape, algorithm=algorithm, **parameters)
