import json

from fastconv import num_threads
from fastconv.kernels import cpu
from fastconv.report.environment import describe_environment


def test_the_environment_is_plain_values():
    found = describe_environment()
    assert json.loads(json.dumps(found)) == found
    assert {"python", "fastconv", "numpy", "scipy", "BLAS", "kernels", "OpenMP", "CPU", "threads"} <= found.keys()
    assert all(isinstance(value, str) and value for value in found.values())


def test_the_instruction_set_in_use_is_marked():
    assert f"{cpu.isa()} (in use)" in describe_environment()["instruction sets"]


def test_threads_and_variables_are_those_in_force(monkeypatch):
    monkeypatch.setenv("FASTCONV_CACHE_DIR", "/somewhere")
    monkeypatch.setenv("UNRELATED", "secret")
    with num_threads(3):
        found = describe_environment()
    assert found["threads"] == "3"
    assert "FASTCONV_CACHE_DIR=/somewhere" in found["variables"] and "secret" not in found["variables"]
