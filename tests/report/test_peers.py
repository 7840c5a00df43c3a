"""Other libraries in a comparison, played by NumPy; `tests/peers/test_compared_libraries.py` has the real ones."""

import numpy as np
import pytest

import fastconv as fc
from fastconv.report import peers
from fastconv.report.comparing import compare
from fastconv.report.peers import opened
from fastconv.report.peers.base import Peer
from fastconv.report.tables import load_layers

LAYERS = load_layers("1x4x9x10,6x3x3,p1")
closed = []


class Player(Peer):
    name, module = "Player", "numpy"
    offset = 0.0

    @property
    def version(self):
        return "7"

    def prepare(self, problem, operands):
        x, w = operands
        y = fc.conv2d(x, w, padding=problem.padding) + np.float32(self.offset)
        return lambda: y

    def close(self):
        closed.append(self.name)


class Wrong(Player):
    name, offset = "Wrong", 1.0


class Broken(Player):
    name = "Broken"

    def prepare(self, problem, operands):
        raise RuntimeError("no\nkernel")


class Narrow(Player):
    name = "Narrow"

    def supports(self, problem):
        return "too narrow"


class Absent(Player):
    name, module = "Absent", "no_such_package"


class Unloadable(Player):
    name = "Unloadable"

    def __init__(self, threads):
        raise ImportError("libsomething.so: cannot open\nshared object file")


def compared(monkeypatch, *kinds, layers=LAYERS, **options):
    monkeypatch.setattr(peers, "PEERS", kinds)
    with fc.num_threads(1):
        return compare(layers, seconds=0.02, peers=True, **options)


def test_each_takes_turns_with_the_algorithms_and_is_checked(monkeypatch):
    found = compared(monkeypatch, Player)
    ((player,),) = (row.peers for row in found.rows)
    assert player.seconds > 0 and player.spread is not None and player.error < 1e-6 and player.usable
    assert found.peers == {"Player": "7"} and found.missing_peers == {}
    assert "Player" not in found.algorithms and found.rows[0].best_peer is player


def test_a_wrong_result_is_shown_and_not_used(monkeypatch):
    ((wrong,),) = (row.peers for row in compared(monkeypatch, Wrong).rows)
    assert wrong.seconds is not None and not wrong.usable
    assert wrong.kind == "failed" and "its result is off by" in wrong.reason


def test_what_fails_or_cannot_has_its_reason_and_the_rest_its_figures(monkeypatch, caplog):
    found = compared(monkeypatch, Broken, Narrow, Player, passes=2)
    by_name = {m.algorithm: m for m in found.rows[0].peers}
    assert by_name["Broken"].reason == "raised RuntimeError: no\nkernel"
    assert (by_name["Narrow"].kind, by_name["Narrow"].reason) == ("unsupported", "too narrow")
    assert by_name["Player"].usable
    # Once is enough: later passes do not try again.
    assert len([record for record in caplog.records if "Broken" in record.message]) == 1


def test_what_is_missing_is_left_out_with_its_reason(monkeypatch):
    found = compared(monkeypatch, Absent, Unloadable, Player)
    assert found.missing_peers == {
        "Absent": "no_such_package is not installed",
        "Unloadable": "libsomething.so: cannot open shared object file",
    }
    assert list(found.peers) == ["Player"]


def test_all_are_closed_even_after_an_error(monkeypatch):
    closed.clear()
    monkeypatch.setattr(peers, "PEERS", (Player, Narrow))
    with pytest.raises(KeyError), opened(1):
        raise KeyError
    assert closed == ["Narrow", "Player"]


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"dtype": "float64"}, "compared in float32 only"),
        ({"direction": "input_grad"}, "compared in the forward direction only"),
        ({"batch": 0}, "the batch is empty"),
        ({}, None),
    ],
)
def test_what_is_not_compared_has_a_reason(changes, reason):
    assert Player(1).supports(LAYERS[0].problem.replace(**changes)) == reason


def test_nothing_is_imported_unless_asked_for():
    found = compare(LAYERS, seconds=0.01, passes=1)
    assert found.peers == {} and found.missing_peers == {} and found.rows[0].peers == ()
