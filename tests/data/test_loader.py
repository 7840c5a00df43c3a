import gc
import itertools
import json
import threading

import numpy as np
import pytest

from fastconv.data import Compose, DataLoader, Dataset, Mixup, RandomCrop, RandomHorizontalFlip, RandomRotation
from fastconv.errors import InvalidArgumentError, InvalidTypeError

N = 23
PIXELS = np.random.default_rng(0).integers(0, 256, (N, 2, 6, 7), np.uint8)
LABELS = np.arange(N) % 5
DATASET = Dataset(PIXELS, LABELS)
AUGMENT = [RandomHorizontalFlip(), RandomRotation(20), RandomCrop(5, padding=1), Mixup(0.5, num_classes=5)]


def loader(**options):
    options = {"batch_size": 4, "shuffle": True, "transform": AUGMENT, "rng": 7} | options
    return DataLoader(DATASET, **options)


def assert_same(batches, others):
    for (x, y), (other_x, other_y) in zip(batches, others, strict=True):
        assert np.array_equal(x, other_x) and np.array_equal(y, other_y)


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("fastconv-data")]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batch_size", [1, 4, 23, 50])
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_hold_every_sample_once_in_order(workers, batch_size, drop_last):
    found = DataLoader(DATASET, batch_size, drop_last=drop_last, workers=workers)
    batches = list(found)
    assert len(batches) == len(found) == (N // batch_size if drop_last else -(-N // batch_size))
    kept = len(batches) * batch_size if drop_last else N
    assert sum(len(y) for _, y in batches) == min(kept, N)
    if batches:
        x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        assert np.array_equal(x, PIXELS[:kept] / np.float32(255)) and np.array_equal(y, LABELS[:kept])
        assert y.dtype == np.int64


def test_shuffled_epochs_hold_every_sample_once_each_in_another_order():
    ids = np.arange(N)
    found = DataLoader((ids[:, None], ids), 4, shuffle=True, rng=0)
    orders = [np.concatenate([y for _, y in found]).tolist() for _ in range(4)]
    assert all(sorted(order) == ids.tolist() for order in orders)
    assert len({tuple(order) for order in orders}) == 4


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float32])
@pytest.mark.parametrize("transform", [None, [], RandomHorizontalFlip(0), lambda image: image])
def test_bytes_become_the_unit_interval_and_the_rest_is_converted(dtype, transform):
    for values in (PIXELS, PIXELS.astype(np.float32), PIXELS.astype(np.float64), PIXELS.astype(">i4")):
        (x, _), *_ = DataLoader((values, LABELS), N, dtype=dtype, transform=transform)
        assert x.dtype == np.dtype(dtype) and x.flags.c_contiguous and x.flags.writeable
        scale = x.dtype.type(255) if values.dtype == np.uint8 else 1
        assert np.array_equal(x, PIXELS.astype(dtype) / scale)


def test_the_data_stay_as_they_are_whatever_a_transform_does():
    images = PIXELS.astype(np.float32)

    def in_place(image):
        image *= 0
        return image

    for x, y in DataLoader((images, LABELS), 4, transform=in_place):
        assert not x.any()
        x += 1
        y += 1
    for x, y in DataLoader((images, LABELS), 4):
        x += 1
        y += 1
    assert np.array_equal(images, PIXELS) and np.array_equal(LABELS, np.arange(N) % 5)


def test_targets_may_be_of_any_shape():
    targets = np.random.default_rng(0).random((N, 3, 2))
    found = np.concatenate([y for _, y in DataLoader((PIXELS, targets), 4)])
    assert found.dtype == np.float64 and np.array_equal(found, targets)


@pytest.mark.parametrize("workers, prefetch", [(1, 1), (1, 5), (3, 2), (3, 7)])
def test_batches_are_the_same_whatever_the_number_of_workers(workers, prefetch):
    alone, helped = loader(), loader(workers=workers, prefetch=prefetch)
    for _ in range(2):
        assert_same(alone, helped)
    assert not threads()


def test_every_worker_has_a_batch_however_little_is_prefetched():
    # Each of three samples waits for the others.
    meet = threading.Barrier(3, timeout=30)

    def wait(image):
        meet.wait()
        return image

    assert len(list(DataLoader((PIXELS[:6], LABELS[:6]), 1, transform=wait, workers=3, prefetch=1))) == 6


def test_batches_follow_from_rng():
    first = [x for x, _ in loader(rng=1)]
    assert_same(loader(rng=1), loader(rng=np.random.default_rng(1)))
    assert not all(np.array_equal(a, b) for a, b in zip(first, (x for x, _ in loader(rng=2)), strict=True))
    unseeded = [next(iter(loader(rng=None)))[0] for _ in range(2)]
    assert not np.array_equal(*unseeded)


def test_augmentation_differs_from_epoch_to_epoch_and_sample_to_sample():
    noise = DataLoader(
        (np.zeros((8, 1, 4, 4)), np.zeros(8)), 8, transform=lambda image, rng: rng.random(image.shape), rng=0, dtype="float64"
    )
    draws = np.concatenate([x for _ in range(3) for x, _ in noise])
    assert len(np.unique(draws)) == draws.size


def test_a_samples_augmentation_does_not_depend_on_batches_or_order():
    def draw(image, rng):
        return image + rng.random()

    def by_label(**options):
        values = DataLoader((np.zeros((N, 1, 1, 1)), np.arange(N)), transform=draw, rng=3, **options)
        return dict(item for x, y in values for item in zip(y.tolist(), x.ravel().tolist(), strict=True))

    assert by_label(batch_size=4) == by_label(batch_size=5) == by_label(batch_size=5, shuffle=True)


@pytest.mark.parametrize("workers, resumed_workers", [(0, 0), (3, 0), (0, 3), (2, 1)])
@pytest.mark.parametrize("epoch, batch", [(0, 0), (0, 1), (1, 3), (2, 6)])
def test_resumed_in_the_middle_of_an_epoch_the_rest_is_the_same(workers, resumed_workers, epoch, batch):
    original = loader(workers=workers)
    for _ in range(epoch):
        list(original)
    batches = iter(original)
    list(itertools.islice(batches, batch))
    state = json.loads(json.dumps(original.state_dict()))
    resumed = loader(workers=resumed_workers, rng=99)
    resumed.load_state_dict(state)
    assert resumed.epoch == epoch
    rest = list(batches)
    assert len(rest) == len(original) - batch
    assert_same(rest, resumed)
    assert_same(original, resumed)
    assert resumed.state_dict() == original.state_dict()


def test_the_state_after_a_batch_is_that_of_the_next():
    found = loader(workers=2)
    assert (found.state_dict()["epoch"], found.state_dict()["batch"]) == (0, 0)
    for number, _ in enumerate(found, 1):
        assert (found.state_dict()["epoch"], found.state_dict()["batch"]) == (0, number)
    assert (found.state_dict()["epoch"], found.state_dict()["batch"]) == (1, 0)


def test_set_epoch_goes_to_an_epoch_and_keeps_a_loaded_place_in_it():
    found = loader()
    epochs = [list(found) for _ in range(3)]
    found.set_epoch(1)
    assert_same(epochs[1], found)
    batches = iter(found)
    next(batches)
    found.set_epoch(2)
    assert_same(epochs[2], found)
    found.load_state_dict(found.state_dict() | {"epoch": 1, "batch": 2})
    found.set_epoch(1)
    assert_same(epochs[1][2:], found)
    found.load_state_dict(found.state_dict() | {"epoch": 1, "batch": 2})
    found.set_epoch(0)
    assert_same(epochs[0], found)


def test_an_abandoned_iteration_counts_as_an_epoch():
    reference, found = loader(), loader()
    epochs = [list(reference) for _ in range(2)]
    next(iter(found))
    assert_same(epochs[1], found)


def test_of_two_iterations_the_state_is_the_later_ones():
    found = loader()
    first, second = iter(found), iter(found)
    next(second)
    list(first)
    assert (found.state_dict()["epoch"], found.state_dict()["batch"]) == (1, 1)
    list(second)
    assert found.epoch == 2


@pytest.mark.parametrize("drop", [lambda batches: batches.close(), lambda batches: None])
def test_an_abandoned_iteration_leaves_no_threads(drop):
    batches = iter(loader(workers=3, batch_size=1))
    next(batches)
    assert threads()
    drop(batches)
    del batches
    gc.collect()
    assert not threads()


def test_leaving_a_loop_leaves_no_threads():
    for _ in loader(workers=3, batch_size=1):
        break
    gc.collect()
    assert not threads()


@pytest.mark.parametrize("workers", [0, 2])
def test_an_exception_of_a_transform_reaches_the_consumer(workers):
    def faulty(image):
        if image[0, 0, 0] == 9:
            raise OSError("of the transform")
        return image

    ids = np.arange(N, dtype=np.float32).reshape(-1, 1, 1, 1)
    batches = iter(DataLoader((ids, LABELS), 4, transform=faulty, workers=workers))
    next(batches), next(batches)
    with pytest.raises(OSError, match="of the transform") as caught:
        next(batches)
    assert caught.traceback[-1].name == "faulty"
    assert caught.value.__notes__ == ["in sample 9", "in batch 2 of epoch 0"]
    assert not threads()


def test_transforms_that_leave_different_shapes_are_refused():
    with pytest.raises(InvalidArgumentError, match=r"sample 1 has shape \(2, 6, 1\), the batch \(2, 6, 0\)"):
        ids = np.arange(3.0)[:, None, None, None] + np.zeros((3, 2, 6, 7))
        next(iter(DataLoader((ids, LABELS[:3]), transform=lambda image: image[:, :, : int(image[0, 0, 0])])))


def test_batch_level_transforms_see_the_batch():
    seen = []

    class Reversed:
        batch_level = True

        def __call__(self, images, labels):
            seen.append((images.shape, labels.shape))
            return images[::-1], labels[::-1]

    (x, y), *_ = DataLoader(DATASET, 5, transform=Reversed())
    assert seen[0] == ((5, 2, 6, 7), (5,))
    assert np.array_equal(x, PIXELS[4::-1] / np.float32(255)) and np.array_equal(y, LABELS[4::-1])


def test_mixup_mixes_images_and_labels_alike():
    ids = np.eye(5, dtype=np.float32)[LABELS].reshape(N, 5, 1, 1)
    for x, y in DataLoader((ids, LABELS), 8, transform=Mixup(1.0, num_classes=5), rng=0):
        assert np.array_equal(x[:, :, 0, 0], y) and y.dtype == np.float32


@pytest.mark.parametrize("data", [(PIXELS[:0], LABELS[:0]), Dataset(PIXELS[:0], LABELS[:0], ["a"])])
def test_no_samples_are_no_batches(data):
    found = DataLoader(data, 4, shuffle=True, workers=1)
    assert len(found) == 0 and list(found) == []
    assert found.epoch == 1


@pytest.mark.parametrize(
    "options, kind, name",
    [
        ({"batch_size": 0}, InvalidArgumentError, "batch_size"), ({"batch_size": 2.0}, InvalidTypeError, "batch_size"),
        ({"workers": -1}, InvalidArgumentError, "workers"), ({"prefetch": 0}, InvalidArgumentError, "prefetch"),
        ({"dtype": "int8"}, InvalidTypeError, "dtype"), ({"dtype": "no"}, InvalidTypeError, "dtype"),
        ({"transform": 3}, InvalidTypeError, "transforms"), ({"transform": [3]}, InvalidTypeError, "transforms"),
        ({"transform": [Mixup(1), RandomHorizontalFlip()]}, InvalidArgumentError, "transforms"),
    ],
)  # fmt: skip
def test_options_that_are_none_are_refused(options, kind, name):
    with pytest.raises(kind, match=rf"^{name}: "):
        loader(**options)


@pytest.mark.parametrize(
    "data, kind, name",
    [
        (PIXELS, InvalidTypeError, "data"), ((PIXELS,), InvalidTypeError, "data"), (None, InvalidTypeError, "data"),
        ((PIXELS, LABELS[:3]), InvalidArgumentError, "y"), ((PIXELS, 3), InvalidTypeError, "y"),
        ((np.array([None] * N), LABELS), InvalidTypeError, "x"),
    ],
)  # fmt: skip
def test_data_that_are_none_are_refused(data, kind, name):
    with pytest.raises(kind, match=rf"^{name}: got"):
        DataLoader(data)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"batch_size": 5}, "batch_size is 5, this loader's is 4"), ({"samples": 9}, "samples is 9"),
        ({"shuffle": False}, "shuffle is False"), ({"drop_last": True}, "drop_last is True"),
        ({"batch": 7}, "batch is 7, an epoch has 6"), ({"epoch": -1}, "epoch: got -1"), ({"other": 1}, "got the entries"),
    ],
)  # fmt: skip
def test_states_of_other_loaders_are_refused(changes, message):
    found = loader()
    before = found.state_dict()
    with pytest.raises(InvalidArgumentError, match=f"^state: {message}"):
        found.load_state_dict(before | changes)
    assert found.state_dict() == before


def test_a_compose_is_taken_as_it_is():
    augment = Compose(AUGMENT)
    assert loader(transform=augment).transform is augment
    assert_same(loader(transform=augment), loader())
