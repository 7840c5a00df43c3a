"""Every algorithm on named layers: both memory formats, all directions, one and two threads."""

from .common import (
    ALGORITHMS,
    FEW_LAYERS,
    FORMATS,
    LAYERS,
    THREADS,
    Timed,
    begin,
    call_of,
    problem_of,
    require_support,
)


class Forward(Timed):
    """Weights packed and output allocated before; one thread."""

    param_names = ("algorithm", "layer", "format")
    params = (ALGORITHMS, tuple(LAYERS), FORMATS)

    def setup(self, algorithm, layer, memory_format):
        begin()
        problem = problem_of(layer, memory_format=memory_format)
        require_support(algorithm, problem)
        self.call = call_of(problem, algorithm)

    def time_forward(self, *params):
        self.call()

    time_forward.pretty_name = "Forward, each algorithm"


class Gradients(Timed):
    """As called, packing included; one thread, NCHW."""

    param_names = ("algorithm", "layer", "direction")
    params = (ALGORITHMS, tuple(LAYERS), ("input_grad", "weight_grad"))

    def setup(self, algorithm, layer, direction):
        begin()
        problem = problem_of(layer, direction=direction)
        require_support(algorithm, problem)
        self.call = call_of(problem, algorithm)

    def time_gradient(self, *params):
        self.call()

    time_gradient.pretty_name = "Gradients, each algorithm"


class Threads(Timed):
    """Forward, channels-last."""

    param_names = ("algorithm", "layer", "threads")
    params = (ALGORITHMS, FEW_LAYERS, THREADS)

    def setup(self, algorithm, layer, threads):
        begin(threads)
        problem = problem_of(layer, memory_format="channels-last")
        require_support(algorithm, problem)
        self.call = call_of(problem, algorithm)

    def time_forward(self, *params):
        self.call()

    time_forward.pretty_name = "Forward on one and two threads, each algorithm"
