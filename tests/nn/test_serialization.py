"""Files: whole or not at all, and nothing but ours."""

import os

import numpy as np
import pytest

import fastconv as fc
from fastconv import nn
from fastconv.nn import serialization


@pytest.fixture(params=[".npz", ".safetensors"])
def path(request, tmp_path):
    if request.param == ".safetensors":
        pytest.importorskip("safetensors")
    return tmp_path / f"network{request.param}"


def network(filters=3):
    layers = [nn.Conv2D(filters, 3, padding=((1, 0), (0, 1))), nn.BatchNormalization(), nn.ReLU(), nn.GlobalAvgPool2D()]
    return nn.CNN([*layers, nn.Dropout(0.25), nn.Dense(4, activation=("leaky_relu", 0.2))], rng=0)


def trained(x):
    net = network()
    for _ in range(3):
        net.forward(x)
    return net


X = np.random.default_rng(0).standard_normal((4, 2, 6, 5)).astype(np.float32)


def test_a_network_comes_back_bitwise(path):
    net = trained(X)
    net.save(path)
    loaded = nn.CNN.load(path)
    assert repr(loaded) == repr(net) and np.array_equal(loaded.predict(X), net.predict(X))
    assert [p.name for p in loaded.parameters()] == [p.name for p in net.parameters()]
    assert list(loaded.buffers()) == list(net.buffers())
    assert loaded.layers[0].padding == ((1, 0), (0, 1)) and loaded.layers[5].activation == ("leaky_relu", 0.2)


def test_float64_networks_stay_so(path):
    net = network().astype(np.float64)
    net.dtype = np.dtype(np.float64)
    net.predict(X)
    net.save(path)
    assert {p.dtype for p in nn.CNN.load(path).parameters()} == {np.dtype(np.float64)}


def test_a_network_without_parameters_yet_cannot_be_saved(path):
    with pytest.raises(fc.NotReadyError, match="no parameters yet"):
        network().save(path)
    assert os.listdir(path.parent) == []


def test_layers_of_ones_own_are_saved_by_their_arguments(path):
    class Scaled(nn.Layer):
        def __init__(self, factor=1.0, *, name=None, dtype=np.float32):
            super().__init__(name=name, dtype=dtype)
            self.factor = factor

        def forward(self, x):
            return x * np.float32(self.factor)

    net = nn.CNN([Scaled(3.0), Scaled()])
    net.save(path)
    assert nn.CNN.load(path).predict(np.ones((1, 2), np.float32)).tolist() == [[3, 3]]
    del nn.Layer.kinds["Scaled"]
    with pytest.raises(fc.InvalidArgumentError, match=r"^Scaled: no layer of that name; import"):
        nn.CNN.load(path)


def test_damaged_files_are_one_clear_error(path):
    trained(X).save(path)
    data = path.read_bytes()
    cuts = [data[:n] for n in (0, 1, 7, 8, 100, len(data) // 2, len(data) - 1)]
    for i, broken in enumerate([*cuts, b"PK\x03\x04" + data[40:], bytes(len(data)), data[::-1]]):
        path.write_bytes(broken)
        with pytest.raises(fc.InvalidArgumentError) as caught:
            nn.CNN.load(path)
        assert str(path) in str(caught.value), i


def test_no_damaged_byte_loads_other_values_unnoticed(tmp_path):
    path = tmp_path / "network.npz"
    net = trained(X)
    net.save(path)
    data = path.read_bytes()
    state = net.state_dict()
    for at in range(11, len(data), 97):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        try:
            loaded = nn.CNN.load(path).state_dict()
        except fc.FastconvError:
            continue
        assert all(np.array_equal(loaded[name], state[name]) for name in state), at


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, a=np.ones(3))
    with pytest.raises(fc.InvalidArgumentError, match="not a file written by fastconv"):
        nn.CNN.load(path)
    np.savez(path, fastconv=np.array({"format": 1}, object))  # pickled
    with pytest.raises(fc.InvalidArgumentError, match="not a file written by fastconv"):
        nn.CNN.load(path)
    np.save(path.with_suffix(".npy"), np.ones(3))
    with pytest.raises(fc.InvalidArgumentError, match="not a file written by fastconv"):
        nn.CNN.load(path.with_suffix(".npy"))


def test_files_of_a_newer_format_say_so(path, monkeypatch):
    monkeypatch.setattr(serialization, "_FORMAT", serialization._FORMAT + 1)
    trained(X).save(path)
    monkeypatch.undo()
    with pytest.raises(fc.InvalidArgumentError, match="written by a newer version"):
        nn.CNN.load(path)


def test_another_kind_of_network_is_refused(path):
    class Other(nn.CNN):
        pass

    trained(X).save(path)
    with pytest.raises(fc.InvalidArgumentError, match="holds a CNN, expected a Other"):
        Other.load(path)
    serialization.save_arrays(path, {"a": np.ones(2)}, {"step": 3})
    with pytest.raises(fc.InvalidArgumentError, match="holds no network"):
        nn.CNN.load(path)


def test_a_description_that_does_not_fit_its_arrays_is_refused(path):
    net = trained(X)
    state = net.state_dict()
    state["other"] = state.pop("dense.bias")
    serialization.save_arrays(path, state, {"network": serialization.describe(net)})
    with pytest.raises(fc.InvalidArgumentError, match=r"missing \['dense.bias'\], unknown \['other'\]"):
        nn.CNN.load(path)


def test_arrays_and_descriptions_come_back(path):
    arrays = {"a.b": np.arange(6, dtype=np.int64).reshape(2, 3).T, "empty": np.zeros((0, 2), np.float32), "one": np.array(3.0)}
    serialization.save_arrays(path, arrays, {"step": 3, "names": ["x", "ü"]})
    loaded, description = serialization.load_arrays(path)
    assert description["step"] == 3 and description["names"] == ["x", "ü"]
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype and np.array_equal(loaded[name], array)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_interrupted_write_leaves_the_old_file(path, monkeypatch, step):
    net = trained(X)
    net.save(path)
    before = path.read_bytes()

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    net.parameters()[0].data += 1
    monkeypatch.setattr(os, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        net.save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before and os.listdir(path.parent) == [path.name]
    net.save(path)
    assert path.read_bytes() != before


def test_missing_files_and_folders_are_the_usual_errors(path):
    with pytest.raises(FileNotFoundError):
        nn.CNN.load(path)
    with pytest.raises(FileNotFoundError):
        trained(X).save(path.parent / "absent" / path.name)


def test_files_have_the_usual_permissions(path):
    trained(X).save(path)
    beside = path.with_name("beside")
    beside.write_bytes(b"")
    assert path.stat().st_mode == beside.stat().st_mode


def test_without_safetensors_the_extra_is_named(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(fc.MissingExtraError, match=r"fastconv\[safetensors\]"):
        trained(X).save(tmp_path / "network.safetensors")
    assert os.listdir(tmp_path) == []
