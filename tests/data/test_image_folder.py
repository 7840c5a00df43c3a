import sys

import numpy as np
import pytest
from PIL import Image

from fastconv.data import DataLoader, ImageFiles, RandomResizedCrop, image_folder, read_image
from fastconv.errors import InvalidArgumentError, MissingExtraError

RNG = np.random.default_rng(0)
PICTURES = {
    name: RNG.integers(0, 256, (6, 8, 3), np.uint8) for name in ("dog/2.png", "cat/1.png", "cat/inner/0.bmp", "dog/1.ppm")
}


@pytest.fixture
def folder(tmp_path):
    for name, pixels in PICTURES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    (tmp_path / "cat" / ".hidden.png").write_text("not an image")
    (tmp_path / ".cache").mkdir()
    return tmp_path


def test_classes_are_the_sorted_subfolders(folder):
    dataset = image_folder(folder)
    assert dataset.classes == ("cat", "dog")
    assert dataset.labels.tolist() == [0, 0, 1, 1]
    order = ["cat/1.png", "cat/inner/0.bmp", "dog/1.ppm", "dog/2.png"]
    assert [path.relative_to(folder).as_posix() for path in dataset.images.paths] == order
    for name, (image, _) in zip(order, dataset, strict=True):
        assert image.dtype == np.uint8 and image.flags.c_contiguous
        assert np.array_equal(image, PICTURES[name].transpose(2, 0, 1))


def test_subsets_and_batches_are_of_the_files_chosen(folder):
    dataset = image_folder(folder).subset([3, 0])
    assert [path.name for path in dataset.images.paths] == ["2.png", "1.png"]
    images, labels = dataset[:]
    assert np.array_equal(images[0], PICTURES["dog/2.png"].transpose(2, 0, 1)) and labels.tolist() == [1, 0]
    assert dataset.subset(slice(1, None)).labels.tolist() == [0]
    assert dataset[[]][0].shape[:2] == (0, 3)


@pytest.mark.parametrize("size, shape", [(4, (4, 4)), ((3, 5), (3, 5)), (16, (16, 16)), (None, (None, None))])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_have_the_size_and_channels_asked_for(folder, size, shape, channels):
    dataset = image_folder(folder, size, channels=channels)
    assert dataset.images.shape == (4, channels, *shape)
    expected = (channels, *(shape if size else (6, 8)))
    assert all(image.shape == expected for image, _ in dataset)


def test_one_colour_stays_it_at_any_size(tmp_path):
    Image.new("RGB", (9, 7), (10, 20, 30)).save(tmp_path / "a.png")
    for size in (3, (12, 5)):
        image = read_image(tmp_path / "a.png", size)
        assert (image == np.array([10, 20, 30])[:, None, None]).all()


def test_exif_turns_the_image_upright(tmp_path):
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side: to be turned by 90 degrees clockwise
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    image = read_image(tmp_path / "a.png", channels=1)
    assert np.array_equal(image[0], np.rot90(pixels[..., 0], -1))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_modes_of_eight_bits_are_converted(tmp_path, mode):
    Image.new("RGB", (5, 4), (255, 255, 255)).convert(mode).save(tmp_path / "a.tiff")
    assert (read_image(tmp_path / "a.tiff") == 255).all()


@pytest.mark.parametrize("mode", ["I;16", "F"])
def test_modes_of_more_bits_are_refused(tmp_path, mode):
    Image.new(mode, (5, 4)).save(tmp_path / "a.tiff")
    with pytest.raises(InvalidArgumentError, match=rf"a.tiff: got pixels of mode {mode}, expected 8 bits"):
        read_image(tmp_path / "a.tiff")


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: b"junk" * 9, lambda data: data[: len(data) // 2]])
@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_what_cannot_be_decoded_is_refused_when_it_is_read(tmp_path, damage, suffix):
    (tmp_path / "cat").mkdir()
    path = tmp_path / "cat" / f"1.{suffix}"
    Image.fromarray(RNG.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    path.write_bytes(damage(path.read_bytes()))
    dataset = image_folder(tmp_path)
    with pytest.raises(InvalidArgumentError, match=rf"1.{suffix}: cannot be decoded as an image"):
        dataset[0]


def test_a_picture_of_too_many_pixels_is_refused(tmp_path, monkeypatch):
    Image.new("L", (100, 100)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InvalidArgumentError, match=r"a.png: cannot be decoded as an image: Image size \(10000 pixels\)"):
        read_image(tmp_path / "a.png")


def test_images_of_several_sizes_need_a_transform(folder):
    Image.new("RGB", (9, 9)).save(folder / "cat" / "2.png")
    dataset = image_folder(folder)
    with pytest.raises(InvalidArgumentError, match=r"got shape \(3, 9, 9\), expected \(3, 6, 8\) as of 1.png"):
        dataset[:2]
    with pytest.raises(InvalidArgumentError, match=r"images: sample 1 has shape \(3, 9, 9\), the batch \(3, 6, 8\)"):
        next(iter(DataLoader(dataset)))
    (batch,) = DataLoader(dataset, transform=RandomResizedCrop(4), workers=2, rng=0)
    assert batch[0].shape == (5, 3, 4, 4) and 0 <= batch[0].min() < batch[0].max() <= 1


def test_folders_without_classes_or_images_are_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="has no subfolders, expected one for each class"):
        image_folder(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(InvalidArgumentError, match=r"cat: got no image file, expected at least one of .bmp"):
        image_folder(tmp_path)


def test_other_channels_are_refused():
    with pytest.raises(InvalidArgumentError, match="channels: got 4, expected one of 1, 3"):
        ImageFiles([], channels=4)


def test_without_pillow_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingExtraError, match=r"fastconv\[images\]"):
        image_folder(folder)
