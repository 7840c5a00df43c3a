"""Training that is killed, at any place, ends with bitwise the same numbers once it has been resumed."""

import pathlib

import numpy as np
import pytest

import fastconv as fc
import training_runs
from fastconv import training
from fastconv.errors import InvalidArgumentError
from subprocesses import python
from training_runs import everything, run

SCRIPT = pathlib.Path(training_runs.__file__)
# (kind, steps between checkpoints, killed before or after the checkpoint of that moment, place)
DEATHS = [
    ("adam", 1, "after", "step 1"),
    ("adam", 1, "before", "step 6"),
    ("adam", 1, "after", "epoch 2"),
    ("adam", 1, "before", "writing 7"),
    ("momentum", 3, "after", "step 8"),
    ("momentum", 1, "before", "gradients 10"),
    ("momentum", 2, "before", "begin 3"),
    ("plateau", 1, "after", "step 4"),
    ("plateau", 5, "before", "epoch 1"),
]


@pytest.fixture(scope="module", params=training_runs.KINDS)
def uninterrupted(request, tmp_path_factory):
    with fc.num_threads(1):
        result = run(request.param, tmp_path_factory.mktemp("whole") / "c.npz")
    return request.param, everything(result)


def test_training_killed_at_any_place_resumes_to_the_same_bits(uninterrupted, tmp_path):
    kind, whole = uninterrupted
    for i, (_, every_steps, order, death) in enumerate(d for d in DEATHS if d[0] == kind):
        path = tmp_path / f"{i}.npz"
        process = python(SCRIPT, kind, path, every_steps, order, death, OMP_NUM_THREADS="1")
        assert process.returncode == 9 and "survived" not in process.stdout, f"{death}: {process.stderr}"
        with fc.num_threads(1):
            resumed = everything(run(kind, path, every_steps=every_steps))
        assert [name for name in whole if resumed[name] != whole[name]] == [], death
        assert resumed.keys() == whole.keys()


def test_every_step_is_a_place_to_resume_from(tmp_path):
    """As above for all steps, without a process each: the checkpoints of one run are the places."""
    path = tmp_path / "step{step}-{epoch}.npz"
    with fc.num_threads(1):
        whole = everything(run("adam", path, resume=False))
        places = sorted(tmp_path.glob("step*.npz"))
        places = [place for place in places if "best" not in place.name]
        assert len(places) == training_runs.EPOCHS * training_runs.STEPS
        for place in places:
            net = training_runs.network(rng=None)
            optimizer, schedule = (training_runs.KINDS["adam"][name]() for name in ("optimizer", "schedule"))
            x, y = training_runs.samples()
            monitor = training.Monitor(every=3)
            history = training.fit(
                net, x, y, optimizer=optimizer, schedule=schedule, epochs=3, batch_size=8, validation_split=0.1, rng=99,
                transform=[fc.data.RandomCrop(6, padding=1), fc.data.RandomHorizontalFlip(), fc.data.Mixup(0.4, num_classes=3)],
                callbacks=[monitor, training.EarlyStopping("val_loss", patience=1, restore_best=True)],
                verbose=False, resume_from=place,
            )  # fmt: skip
            resumed = everything((net, optimizer, history, monitor))
            assert [name for name in whole if resumed[name] != whole[name]] == [], place.name


def test_a_finished_training_stays_as_it_is_and_can_be_prolonged(tmp_path):
    path = tmp_path / "c.npz"
    with fc.num_threads(1):
        first = everything(run("adam", path))
        assert everything(run("adam", path)) == first
        assert len(run("adam", path, epochs=5)[2]) == 5


def test_safetensors_hold_the_same(tmp_path):
    pytest.importorskip("safetensors")
    path = tmp_path / "c.safetensors"
    with fc.num_threads(1):
        whole = everything(run("momentum", path))
        assert everything(run("momentum", path)) == whole


def test_frozen_layers_stay_frozen_after_resuming(tmp_path):
    x, y = training_runs.samples()
    path = tmp_path / "c.npz"

    def train(epochs, **options):
        net = training_runs.network().build(x.shape)
        if epochs == 1:
            training.train_only(net, "dense")
        net.fit(x, y, optimizer=fc.optim.SGD(0.1), epochs=epochs, rng=0, verbose=False, **options)
        return net

    first = train(1, callbacks=[training.Checkpoint(path)])
    second = train(2, resume_from=path)
    same = [bool((a.array == b.array).all()) for a, b in zip(first.parameters(), second.parameters(), strict=True)]
    assert same == [True] * 4 + [False] * 2


def test_the_network_of_a_checkpoint_can_be_had_alone(tmp_path):
    path = tmp_path / "c.npz"
    net = run("plateau", path)[0]
    state = training.load_checkpoint(path)
    loaded = training.load_network(path)
    assert {name: value.tolist() for name, value in loaded.state_dict().items()} == {
        name: value.tolist() for name, value in state["network"].items()
    }
    assert repr(loaded) == repr(net)
    best = fc.nn.CNN.load(tmp_path / "c-best.npz")
    x, _ = training_runs.samples()
    np.testing.assert_array_equal(best.predict(x), net.predict(x))


@pytest.mark.parametrize("damage", ["missing", "cut", "network"])
def test_what_is_no_checkpoint_is_refused(tmp_path, damage):
    path = tmp_path / "c.npz"
    net = run("adam", path, epochs=1)[0]
    if damage == "missing":
        path = tmp_path / "none.npz"
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:2000])
    else:
        net.save(path)
    with pytest.raises(InvalidArgumentError, match=path.name):
        training.load_checkpoint(path)


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    path = tmp_path / "c.npz"
    run("adam", path, epochs=1)
    x, y = training_runs.samples()
    with pytest.raises(InvalidArgumentError, match="samples"):
        training_runs.network().fit(x, y, optimizer=fc.optim.Adam(0.01), batch_size=8, resume_from=path, verbose=False)


def test_checkpoints_replace_files_as_a_whole_and_leave_no_others(tmp_path):
    run("adam", tmp_path / "c.npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c-best.npz", "c.npz"]


@pytest.mark.parametrize(
    "options, match",
    [
        ({"every_epochs": None}, "every_epochs"),
        ({"every_steps": 0}, "every_steps"),
        ({"every_epochs": -1}, "every_epochs"),
        ({"path": "{epoch}.npz", "resume": True}, "resume"),
        ({"path": "no/such/folder/c.npz"}, "path"),
        ({"mode": "up"}, "mode"),
    ],
)
def test_checkpoints_that_cannot_be_are_refused(options, match):
    with pytest.raises(InvalidArgumentError, match=match):
        training.Checkpoint(**{"path": "c.npz", **options})
