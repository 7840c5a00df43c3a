"""Peak memory of a process that runs one layer with the algorithm chosen for it, on one thread."""

from .common import LAYERS, begin, call_of, problem_of


class Convolution:
    param_names = ("layer",)
    params = (tuple(LAYERS),)

    def setup(self, layer):
        begin()

    def peakmem_convolution(self, layer):
        call_of(problem_of(layer, memory_format="channels-last"))

    peakmem_convolution.pretty_name = "Peak memory of a convolution"
