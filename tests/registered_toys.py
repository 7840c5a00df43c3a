"""Fixtures that put toys in the place of the algorithms, and an empty store in the place of the user's."""

import pytest

import clock
from fastconv import selection, threads
from fastconv.algorithms import registry


@pytest.fixture
def own_store(tmp_path, monkeypatch):
    """A cache folder of this test's own; no plans in memory before or after it."""
    monkeypatch.setenv("FASTCONV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(threads, "_global", 1)
    selection.PLANS.drop()
    yield tmp_path / "cache"
    selection.PLANS.drop()


@pytest.fixture
def register_only(monkeypatch, own_store):
    """A function that makes some toys the only algorithms there are, and their clock the one that times them."""
    registry.names()
    clock.rule(monkeypatch)

    def register(*toys):
        monkeypatch.setattr(registry, "_algorithms", {toy.name: toy for toy in toys})
        selection.PLANS.drop()
        return toys

    return register
