"""Saves measurements of an algorithm of its own, ten times over, once as many processes as named are there.

Arguments: number of this process, number of processes, folder in which they meet.
"""

import pathlib
import sys
import time

import fastconv as fc
from fastconv import selection
from fastconv.selection import store
from fastconv.selection.record import Measurement, Record

PROBLEM = fc.ConvProblem.parse("1x4x6x6,4x3x3")

index, processes, folder = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
config = selection.get_config()
(folder / index).touch()
while len(list(folder.iterdir())) < processes:
    time.sleep(1e-3)
for turn in range(10):
    store.save(Record(PROBLEM, 1, {f"algorithm{index}": Measurement(1e-3 + turn, 0.0, 0.0, 0, 1.0)}, {}), config)
    assert store.load(PROBLEM, 1, config) is not None
