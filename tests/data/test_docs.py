"""The code in docs/data.md runs as written, in order."""

import pathlib
import re

import numpy as np
import pytest

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "data.md"


@pytest.mark.skipif(not PAGE.is_file(), reason="the documentation is not beside the tests")
def test_the_examples_run():
    names = {"image": np.random.default_rng(0).random((3, 250, 300), dtype=np.float32)}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(block, names)
    assert names["image"].shape == (3, 224, 224)
    assert names["x"].dtype == np.float32
