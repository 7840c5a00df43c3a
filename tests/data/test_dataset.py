import numpy as np
import pytest

from fastconv.data import Dataset, train_test_split
from fastconv.errors import InvalidArgumentError, InvalidTypeError

IMAGES = np.arange(6 * 2 * 3 * 4, dtype=np.float32).reshape(6, 2, 3, 4)
LABELS = np.array([0, 2, 1, 0, 2, 1])


@pytest.fixture
def dataset():
    return Dataset(IMAGES, LABELS, ["a", "b", "c"])


def test_holds_what_it_was_given(dataset):
    assert len(dataset) == 6
    assert dataset.classes == ("a", "b", "c")
    assert dataset.images is IMAGES
    assert dataset.labels.dtype == np.int64


@pytest.mark.parametrize("index", [0, 5, -1, np.int64(3)])
def test_an_integer_gives_an_image_and_its_label(dataset, index):
    image, label = dataset[index]
    assert np.array_equal(image, IMAGES[index])
    assert label == LABELS[index] and type(label) is int


@pytest.mark.parametrize("index", [slice(1, 4), slice(None, None, -2), [3, 1, 1], np.array([-1, 0]), LABELS == 2, []])
def test_slices_and_index_arrays_give_arrays(dataset, index):
    images, labels = dataset[index]
    rows = np.arange(6)[index] if not isinstance(index, list) else np.array(index, np.int64)
    assert np.array_equal(images, IMAGES[rows])
    assert np.array_equal(labels, LABELS[rows])
    subset = dataset.subset(index)
    assert np.array_equal(subset.images, images) and np.array_equal(subset.labels, labels)
    assert subset.classes == dataset.classes


def test_iteration_gives_every_sample(dataset):
    assert [label for _, label in dataset] == LABELS.tolist()


@pytest.mark.parametrize("index", [6, -7])
def test_an_integer_out_of_range_is_an_index_error(dataset, index):
    with pytest.raises(IndexError, match="there are 6 samples"):
        dataset[index]


@pytest.mark.parametrize(
    "index, kind",
    [
        ([6], InvalidArgumentError), ([-7], InvalidArgumentError), ([True], InvalidArgumentError), (True, InvalidArgumentError),
        ([0.5], InvalidTypeError), ([[0]], InvalidTypeError), ("a", InvalidTypeError),
    ],
)  # fmt: skip
def test_indices_that_are_none_are_refused(dataset, index, kind):
    with pytest.raises(kind, match=r"^indices: got"):
        dataset.subset(index)


def test_names_of_classes_default_to_numbers():
    assert Dataset(IMAGES, LABELS).classes == ("0", "1", "2")


def test_no_samples_are_a_dataset():
    assert len(Dataset(IMAGES[:0], [], ["a"])) == 0


@pytest.mark.parametrize(
    "images, labels, classes, kind, name",
    [
        (IMAGES.tolist(), LABELS, None, InvalidTypeError, "images"),
        (IMAGES[0], LABELS, None, InvalidArgumentError, "images"),
        (IMAGES.astype(np.int32), LABELS, None, InvalidTypeError, "images"),
        (IMAGES, LABELS[:5], None, InvalidArgumentError, "labels"),
        (IMAGES, LABELS[:, None], None, InvalidArgumentError, "labels"),
        (IMAGES, LABELS * 1.0, None, InvalidTypeError, "labels"),
        (IMAGES, LABELS - 1, None, InvalidArgumentError, "labels"),
        (IMAGES, LABELS.astype(np.uint64) + np.uint64(2**63), None, InvalidArgumentError, "labels"),
        (IMAGES, LABELS, ["a", "b"], InvalidArgumentError, "labels"),
        (IMAGES, LABELS, "abc", InvalidTypeError, "classes"),
    ],
)
def test_what_is_no_dataset_is_refused(images, labels, classes, kind, name):
    with pytest.raises(kind, match=rf"^{name}: got"):
        Dataset(images, labels, classes)


def many(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.arange(len(labels), dtype=np.float32).reshape(-1, 1, 1, 1)
    return Dataset(images, labels, [str(i) for i in range(len(counts))])


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("test_size, n_test", [(0.25, 25), (0.251, 26), (30, 30)])
def test_a_split_is_a_partition(stratify, test_size, n_test):
    train, test = train_test_split(many([50, 30, 20]), test_size, stratify=stratify, rng=0)
    assert len(test) == n_test
    assert sorted(np.concatenate((train.images, test.images)).ravel()) == list(range(100))


@pytest.mark.parametrize("counts", [[50, 30, 20], [7, 7, 7, 7], [100, 3, 2], [5, 0, 9]])
@pytest.mark.parametrize("test_size", [0.1, 0.25, 0.5, 0.7])
def test_stratified_classes_keep_their_shares(counts, test_size):
    dataset = many(counts)
    train, test = train_test_split(dataset, test_size, rng=1)
    of_test = np.bincount(test.labels, minlength=len(counts))
    exact = np.array(counts) * len(test) / len(dataset)
    assert (abs(of_test - exact) < 1).all()
    assert set(train.labels) == set(dataset.labels)


def test_a_class_of_one_sample_is_trained_on():
    train, test = train_test_split(many([30, 1]), 0.9, rng=0)
    assert 1 in train.labels and len(test) == 28


def test_splits_follow_from_rng():
    parts = [train_test_split(many([40, 40]), rng=rng)[1].images.ravel().tolist() for rng in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]


@pytest.mark.parametrize("test_size", [0, 0.0, 1.0, 1.5, -1, 10, 0.95])
def test_a_part_without_samples_or_classes_is_refused(test_size):
    with pytest.raises(InvalidArgumentError, match=r"^test_size"):
        train_test_split(many([5, 5]), test_size)


@pytest.mark.parametrize("test_size", ["half", None, True])
def test_what_is_no_size_is_refused(test_size):
    with pytest.raises(InvalidTypeError, match=r"^test_size"):
        train_test_split(many([5, 5]), test_size)


def test_only_datasets_are_split():
    with pytest.raises(InvalidTypeError, match=r"^dataset: got tuple"):
        train_test_split((IMAGES, LABELS))
