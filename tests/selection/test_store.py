"""The store: what it finds again, ignores, merges and survives."""

import concurrent.futures
import json
import os
import pathlib
import stat

import pytest

import fastconv as fc
from fastconv import selection
from fastconv.kernels import cpu
from fastconv.selection import environment, store
from fastconv.selection.record import Measurement, Record, Rejection
from registered_toys import own_store, register_only  # noqa: F401 -- fixtures
from subprocesses import assert_succeeded, python
from toys import Toy

P = fc.ConvProblem.parse("1x4x6x6,4x3x3")
M = Measurement(1e-3, 2e-4, 0.1, 100, 20.0)
REJECTED = {"winograd": Rejection("unsupported", "no"), "fft": Rejection("pruned", "slow", 1.0)}


def record(problem=P, threads=1, **measured):
    return Record(problem, threads, measured or {"direct": M}, REJECTED, looks=2, time=1.7e9)


def load(problem=P, threads=1):
    return store.load(problem, threads, selection.get_config())


def save(r):
    store.save(r, selection.get_config())


def only_file(folder):
    (path,) = folder.glob("*/forward*.json")
    return path


def test_what_is_saved_is_loaded(own_store):  # noqa: F811
    assert load() is None
    save(record())
    assert load() == record()
    assert load(threads=2) is None
    assert load(P.replace(batch=2)) is None


def test_a_file_holds_the_full_key_and_every_candidate(own_store):  # noqa: F811
    save(record())
    data = json.loads(only_file(own_store).read_text())
    assert data["problem"] == json.loads(json.dumps(P.key())) and data["threads"] == 1
    assert data["measured"]["direct"] == {"seconds": 1e-3, "pack_seconds": 2e-4, "spread": 0.1, "workspace": 100, "error": 20.0}
    assert data["rejected"]["fft"] == {"kind": "pruned", "reason": "slow", "predicted": 1.0}
    assert data["complete"] is True
    described = json.loads((only_file(own_store).parent / "environment.json").read_text())
    assert described == environment.describe()
    assert described.keys() == {"fastconv", "build", "cpu", "instruction_set", "caches", "blas"}


@pytest.mark.parametrize("kind", ["denied", "workspace", "precision"])
def test_a_search_under_a_filter_is_not_complete(own_store, kind):  # noqa: F811
    save(Record(P, 1, {"direct": M}, {"fft": Rejection(kind, "because")}))
    assert json.loads(only_file(own_store).read_text())["complete"] is False


def test_saving_keeps_what_others_stored(own_store):  # noqa: F811
    save(record(direct=M, im2col=M))
    newer = Measurement(2e-3, 0.0, 0.0, 0, 1.0)
    save(record(direct=newer, fft=newer))
    assert load().measured == {"direct": newer, "fft": newer, "im2col": M}
    assert load().rejected.keys() == {"winograd"}


def damaged(text):
    data = json.loads(text)

    def changed(**changes):
        return json.dumps(data | changes)

    return {
        "empty": "",
        "truncated": text[: len(text) // 2],
        "binary": "\x00\xff",
        "a list": "[]",
        "nested too deeply": "[" * 100_000,
        "newer format": changed(version=99),
        "never looked at": changed(looks=-1),
        "time unknown": changed(time=None),
        "foreign format": changed(format="wisdom"),
        "other environment": changed(environment="elsewhere"),
        "other problem": changed(problem=P.replace(batch=2).key()),
        "other threads": changed(threads=2),
        "no measurements": changed(measured={}),
        "time missing": changed(measured={"direct": {"seconds": 1.0}}),
        "time a text": changed(measured={"direct": {**data["measured"]["direct"], "seconds": "fast"}}),
        "time negative": changed(measured={"direct": {**data["measured"]["direct"], "seconds": -1}}),
        "time infinite": changed(measured={"direct": {**data["measured"]["direct"], "seconds": float("inf")}}),
        "field unknown": changed(measured={"direct": {**data["measured"]["direct"], "colour": 1}}),
        "measured a list": changed(measured=[]),
        "rejection a number": changed(rejected={"fft": 1}),
    }


@pytest.mark.parametrize("damage", damaged(json.dumps(record().to_dict())))
def test_a_damaged_or_foreign_entry_is_a_miss_and_is_replaced(own_store, damage):  # noqa: F811
    save(record())
    path = only_file(own_store)
    path.write_text(damaged(path.read_text())[damage], encoding="utf-8")
    assert load() is None
    save(record())
    assert load() == record()


def test_an_entry_that_is_a_folder_is_a_miss(own_store):  # noqa: F811
    save(record())
    path = only_file(own_store)
    path.unlink()
    path.mkdir()
    assert load() is None
    save(record())
    assert load() == record()


@pytest.mark.parametrize("kind", ["read-only", "a file", "under a file"])
def test_where_nothing_can_be_written_plans_stay_in_memory(tmp_path, own_store, monkeypatch, caplog, register_only, kind):  # noqa: F811
    folder = tmp_path / "place"
    if kind == "read-only":
        folder.mkdir()
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
        if os.access(folder, os.W_OK):
            pytest.skip("this user may write everywhere")
    else:
        folder.write_text("")
    monkeypatch.setenv("FASTCONV_CACHE_DIR", str(folder / "deeper" if kind == "under a file" else folder))
    register_only(Toy("direct"))
    assert fc.plan(P, effort="measure").source == "measured"
    assert "cannot be written" in caplog.text
    assert fc.plan(P).source == "stored"
    save(record(other=M))
    assert load().measured.keys() == {"direct", "other"}


def test_an_unreadable_store_is_empty(own_store, monkeypatch):  # noqa: F811
    monkeypatch.setenv("FASTCONV_CACHE_DIR", "/dev/null/nowhere")
    assert load(P.replace(height=9)) is None


def test_config_chooses_the_folder(tmp_path, own_store):  # noqa: F811
    with fc.config(cache_dir=tmp_path / "elsewhere"):
        save(record())
        assert load() == record()
    assert load() is None
    assert list((tmp_path / "elsewhere").glob("*/forward*.json"))


def test_the_users_cache_folder_is_the_default(monkeypatch, tmp_path):
    monkeypatch.delenv("FASTCONV_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert str(store.cache_folder(selection.get_config())).startswith(str(tmp_path))


@pytest.mark.skipif(len(cpu.available()) < 2, reason="one instruction set only")
def test_instruction_sets_have_folders_of_their_own(own_store):  # noqa: F811
    names = set()
    for isa in cpu.available():
        with cpu.use(isa):
            names.add(environment.folder_name())
    assert len(names) == len(cpu.available())


def test_names_of_huge_problems_fit_a_file_system(own_store):  # noqa: F811
    big = fc.ConvProblem.parse("123456x1x2147480000x12,1x2147x6,s123456789x1234567,p123.124x1000001.1000002,d123x2")
    save(record(big))
    assert load(big) == record(big)


def test_concurrent_writers_lose_nothing(own_store, tmp_path):  # noqa: F811
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    script = pathlib.Path(__file__).with_name("writing_run.py")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for process in pool.map(lambda i: python(script, i, 4, meeting), range(4)):
            assert_succeeded(process)
    assert load().measured == {f"algorithm{i}": Measurement(9.001, 0.0, 0.0, 0, 1.0) for i in range(4)}
    assert not list(own_store.rglob("*.tmp"))
