"""Peak memory of a process that runs one layer with the algorithm chosen for it."""

import fastconv as fc

from .common import LAYERS, call_of, problem_of


class PeakMemory:
    param_names = ("layer",)
    params = (tuple(LAYERS),)

    def setup(self, layer):
        fc.set_num_threads(1)
        self.call = call_of(problem_of(layer), "auto")

    def peakmem_conv(self, layer):
        self.call()
