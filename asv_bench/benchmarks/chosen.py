"""The algorithm that the cost model chooses for a layer, and how fast it is; one thread, channels-last."""

import fastconv as fc

from .common import ALGORITHMS, DIRECTIONS, LAYERS, begin, call_of, problem_of, rounded


class Chosen:
    param_names = ("layer", "direction")
    params = (tuple(LAYERS), DIRECTIONS)

    def setup(self, layer, direction):
        begin()
        self.problem = problem_of(layer, direction=direction, memory_format="channels-last")

    def track_algorithm(self, *params):
        return ALGORITHMS.index(fc.plan(self.problem).algorithm.name)

    track_algorithm.pretty_name = "Algorithm chosen, by its place in ALGORITHMS"
    track_algorithm.unit = "index"

    def track_gflops(self, *params):
        from fastconv.selection.race import race

        seconds = race({"chosen": call_of(self.problem)}, seconds=0.1)["chosen"].seconds
        return rounded(self.problem.flops / seconds / 1e9)

    track_gflops.pretty_name = "Speed of the chosen algorithm, counted as direct convolution"
    track_gflops.unit = "GFLOP/s"
