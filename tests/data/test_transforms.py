import colorsys
import copy
import inspect
import math
import pickle

import numpy as np
import pytest

from fastconv.data import transforms
from fastconv.data.transforms import (
    CenterCrop,
    ColorJitter,
    Compose,
    Cutout,
    Mixup,
    Normalize,
    RandomBrightness,
    RandomContrast,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    Resize,
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
)
from fastconv.data.transforms.bilinear import resample
from fastconv.data.transforms.hsv import hsv_to_rgb, rgb_to_hsv
from fastconv.errors import FastconvError, InvalidArgumentError, InvalidTypeError

# Every sample-level transform, and the shape it gives of (3, 9, 12).
TRANSFORMS = {
    "flip": (RandomHorizontalFlip(), (3, 9, 12)),
    "rotation": (RandomRotation(30), (3, 9, 12)),
    "brightness": (RandomBrightness(0.5), (3, 9, 12)),
    "contrast": (RandomContrast(0.5), (3, 9, 12)),
    "jitter": (ColorJitter(0.5, 0.5, 0.5, 0.2), (3, 9, 12)),
    "crop": (RandomCrop((5, 7), padding=2), (3, 5, 7)),
    "centre crop": (CenterCrop(6), (3, 6, 6)),
    "resized crop": (RandomResizedCrop(8), (3, 8, 8)),
    "resize": (Resize((5, 20)), (3, 5, 20)),
    "normalize": (Normalize([0.5, 0.4, 0.3], [0.1, 0.2, 0.3]), (3, 9, 12)),
    "cutout": (Cutout(4), (3, 9, 12)),
}  # fmt: skip
DETERMINISTIC = (CenterCrop, Resize, Normalize)
each_transform = pytest.mark.parametrize("transform, shape", TRANSFORMS.values(), ids=TRANSFORMS)


def picture(shape=(3, 9, 12), dtype=np.float32, seed=0):
    return np.random.default_rng(seed).random(shape).astype(dtype)


def eps(dtype):
    return np.finfo(dtype).eps


def test_every_transform_is_in_the_table():
    classes = {name for name in transforms.__all__ if inspect.isclass(getattr(transforms, name))}
    assert classes == {type(transform).__name__ for transform, _ in TRANSFORMS.values()} | {"Compose", "Mixup"}


@each_transform
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", ["C", "channels_last", "reversed"])
def test_dtype_shape_contiguity_and_the_argument_are_kept(transform, shape, dtype, order):
    image = picture(dtype=dtype)
    if order == "channels_last":
        image = np.ascontiguousarray(image.transpose(1, 2, 0)).transpose(2, 0, 1)
    elif order == "reversed":
        image = image[::-1, ::-1, ::-1]
    before = image.copy()
    image.flags.writeable = False
    for seed in range(6):
        y = transform(image, rng=seed)
        assert (y.shape, y.dtype) == (shape, image.dtype)
        assert y.flags.c_contiguous
        assert np.array_equal(y, transform(before, rng=seed))
    assert np.array_equal(image, before)


@each_transform
def test_the_result_follows_from_rng_alone(transform, shape):
    draws = [transform(picture(), rng=seed) for seed in range(20)]
    assert all(np.array_equal(y, transform(picture(), rng=np.random.default_rng(seed))) for seed, y in enumerate(draws))
    assert all(np.array_equal(draws[0], y) for y in draws) == isinstance(transform, DETERMINISTIC)


@each_transform
@pytest.mark.parametrize("image", [picture().tolist(), picture().astype(np.uint8), picture().astype(int), picture()[0], "x"])
def test_what_is_no_image_is_refused(transform, shape, image):
    with pytest.raises(FastconvError, match=r"^image: got"):
        transform(image, rng=0)


@each_transform
def test_transforms_are_plain_data(transform, shape):
    assert copy.deepcopy(transform) == pickle.loads(pickle.dumps(transform)) == transform
    assert eval(repr(transform), vars(transforms)) == transform


def test_a_flip_mirrors_and_twice_is_nothing():
    image, flip = picture(), RandomHorizontalFlip(p=1)
    assert np.array_equal(flip(image), image[:, :, ::-1])
    assert np.array_equal(flip(flip(image)), image)
    assert np.array_equal(RandomHorizontalFlip(p=0)(image), image)


@pytest.mark.parametrize("p", [0.25, 0.5])
def test_flips_are_as_frequent_as_asked_for(p):
    image, rng, n = np.array([[[0.0, 1.0]]]), np.random.default_rng(0), 2000
    flips = sum(RandomHorizontalFlip(p)(image, rng=rng)[0, 0, 0] for _ in range(n))
    assert abs(flips - n * p) < 5 * math.sqrt(n * p * (1 - p))


@pytest.mark.parametrize("quarters", range(-3, 5))
def test_quarter_turns_are_exact(quarters):
    image = picture((2, 7, 7))
    y = RandomRotation((90 * quarters,) * 2)(image)
    assert np.array_equal(y, np.rot90(image, quarters, axes=(1, 2)))


def rotated(image, degrees, fill):
    """Bilinear rotation in float64 loops."""
    _, h, w = image.shape
    framed = np.pad(image.astype(np.float64), ((0, 0), (h + w, h + w), (h + w, h + w)), constant_values=fill)
    y = np.empty(image.shape)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    for i, j in np.ndindex(h, w):
        di, dj = i - (h - 1) / 2, j - (w - 1) / 2
        at_i, at_j = cos * di + sin * dj + (h - 1) / 2 + h + w, -sin * di + cos * dj + (w - 1) / 2 + h + w
        i0, j0 = math.floor(at_i), math.floor(at_j)
        fi, fj = at_i - i0, at_j - j0
        square = framed[:, i0 : i0 + 2, j0 : j0 + 2]
        y[:, i, j] = np.einsum("cij,i,j->c", square, [1 - fi, fi], [1 - fj, fj])
    return y


@pytest.mark.parametrize("degrees", [10, -33.5, 135])
@pytest.mark.parametrize("fill", [0.0, 0.25])
def test_rotation_is_bilinear_about_the_centre_and_counter_clockwise(degrees, fill):
    image = picture((2, 9, 6))
    y = RandomRotation((degrees, degrees), fill=fill)(image)
    np.testing.assert_allclose(y, rotated(image, degrees, fill), rtol=0, atol=4 * eps(np.float32))


def test_angles_lie_within_the_range():
    ramp = np.linspace(-1, 1, 33)[None, None, :] + np.zeros((1, 33, 1))
    # The gradient of a ramp turns with the image.
    angles = []
    for seed in range(100):
        dy, dx = np.gradient(RandomRotation(15)(ramp, rng=seed)[0])
        angles.append(math.degrees(math.atan2(-dy[16, 16], dx[16, 16])))
    assert -15 <= min(angles) < -10 and 10 < max(angles) <= 15


def test_brightness_and_contrast_are_blends():
    image = picture(dtype=np.float64)
    grey = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
    for f in (0, 0.5, 1, 1.7):
        np.testing.assert_allclose(adjust_brightness(image, f), np.minimum(f * image, 1), rtol=4 * eps(float))
        expected = np.clip(f * image + (1 - f) * grey.mean(), 0, 1)
        np.testing.assert_allclose(adjust_contrast(image, f), expected, rtol=0, atol=8 * eps(float))
        expected = np.clip(f * image + (1 - f) * grey, 0, 1)
        np.testing.assert_allclose(adjust_saturation(image, f), expected, rtol=0, atol=8 * eps(float))


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_contrast_of_other_channels_is_about_their_mean(channels):
    image = picture((channels, 5, 6), np.float64)
    expected = np.clip(2 * image - image.mean(), 0, 1)
    np.testing.assert_allclose(adjust_contrast(image, 2), expected, rtol=0, atol=8 * eps(float))


def test_hue_and_its_inverse_are_those_of_the_standard_library():
    image = picture((3, 8, 8), np.float64)
    image[:, 0, :4] = [[0, 1, 0.5, 0.5], [0, 1, 0.5, 0.2], [0, 1, 0.5, 0.5]]
    h, s, v = rgb_to_hsv(image)
    for i, j in np.ndindex(8, 8):
        expected = colorsys.rgb_to_hsv(*image[:, i, j])
        np.testing.assert_allclose((h[i, j], s[i, j], v[i, j]), expected, rtol=0, atol=16 * eps(float))
        expected = colorsys.hsv_to_rgb(h[i, j], s[i, j], v[i, j])
        np.testing.assert_allclose(hsv_to_rgb(h, s, v)[:, i, j], expected, rtol=0, atol=16 * eps(float))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_full_circle_of_hue_is_nothing_and_thirds_permute_the_channels(dtype):
    image = picture(dtype=dtype)
    for turns in (-1, 0, 1):
        np.testing.assert_allclose(adjust_hue(image, turns), image, rtol=0, atol=16 * eps(dtype))
    np.testing.assert_allclose(adjust_hue(image, 1 / 3), image[[2, 0, 1]], rtol=0, atol=16 * eps(dtype))
    halves = adjust_hue(adjust_hue(image, 0.5), 0.5)
    np.testing.assert_allclose(halves, image, rtol=0, atol=32 * eps(dtype))


@pytest.mark.parametrize("transform", [RandomBrightness(0), RandomContrast(0), ColorJitter(), RandomRotation(0)])
def test_strength_0_is_nothing(transform):
    image = 3 * picture() - 1  # beyond [0, 1]: not cut either
    assert all(np.array_equal(transform(image, rng=seed), image) for seed in range(5))


@pytest.mark.parametrize("transform", [RandomBrightness(0.9), RandomContrast(5.0), ColorJitter(2.0, 2.0, 2.0, 0.5)])
def test_colours_stay_in_the_unit_interval(transform):
    images = [transform(picture(), rng=seed) for seed in range(20)]
    assert min(y.min() for y in images) >= 0 and max(y.max() for y in images) <= 1


def test_factors_lie_within_the_range():
    image = np.full((1, 1, 1), 0.25)
    factors = [float(RandomBrightness(0.5)(image, rng=seed)[0, 0, 0]) / 0.25 for seed in range(200)]
    assert 0.5 <= min(factors) < 0.55 and 1.45 < max(factors) <= 1.5
    factors = [float(RandomBrightness(3)(image, rng=seed)[0, 0, 0]) / 0.25 for seed in range(200)]
    assert 0 <= min(factors) < 0.1


def test_jitter_applies_its_adjustments_in_any_order():
    image = picture(dtype=np.float64)
    jitter = ColorJitter((0.5, 0.5), (2.0, 2.0))
    orders = (adjust_contrast(adjust_brightness(image, 0.5), 2), adjust_brightness(adjust_contrast(image, 2), 0.5))
    found = [[np.array_equal(jitter(image, rng=seed), order) for order in orders] for seed in range(20)]
    assert all(sum(which) == 1 for which in found) and len({tuple(which) for which in found}) == 2


def test_one_channel_has_neither_saturation_nor_hue():
    image = picture((1, 4, 5))
    assert np.array_equal(ColorJitter(saturation=0.5, hue=0.5)(image, rng=0), image)
    for adjust in (adjust_saturation, adjust_hue):
        with pytest.raises(InvalidArgumentError, match="got 4 channels, expected 3"):
            adjust(picture((4, 5, 5)), 0.3)


@pytest.mark.parametrize("size, padding", [(4, 0), (9, 0), ((5, 12), 0), (4, 3), ((11, 3), (1, 0)), ((15, 14), (3, 1))])
@pytest.mark.parametrize("fill", [0.0, 7.0])
def test_a_random_crop_is_a_part_of_the_padded_image(size, padding, fill):
    image = np.arange(3 * 9 * 12.0).reshape(3, 9, 12)
    (h, w), (ph, pw) = (v if isinstance(v, tuple) else (v, v) for v in (size, padding))
    padded = np.pad(image, ((0, 0), (ph, ph), (pw, pw)), constant_values=fill)
    if h > padded.shape[1] or w > padded.shape[2]:
        pytest.fail("the table has a part larger than the image")
    places = {
        padded[:, i : i + h, j : j + w].tobytes(): (i, j)
        for i in range(padded.shape[1] - h + 1)
        for j in range(padded.shape[2] - w + 1)
    }
    crop = RandomCrop(size, padding, fill)
    found = {crop(image, rng=seed).tobytes() for seed in range(20 * len(places))}
    assert found == set(places)


def test_a_central_crop_is_in_the_middle():
    image = picture((2, 9, 12))
    assert np.array_equal(CenterCrop((3, 4))(image), image[:, 3:6, 4:8])
    assert np.array_equal(CenterCrop((9, 12))(image), image)
    assert np.array_equal(CenterCrop((4, 5))(image), image[:, 2:6, 3:8])


@pytest.mark.parametrize("crop", [RandomCrop(10), RandomCrop((5, 13)), CenterCrop((10, 2)), CenterCrop((2, 13))])
def test_a_part_larger_than_the_image_is_refused(crop):
    with pytest.raises(InvalidArgumentError, match=r"size: got \d+x\d+, more than the image's 9x12"):
        crop(picture())


def resampled(image, height, width):
    """Bilinear sampling in float64 loops."""
    c, h, w = image.shape
    y = np.empty((c, height, width))
    for i, j in np.ndindex(height, width):
        at_i = min(max((i + 0.5) * h / height - 0.5, 0), h - 1)
        at_j = min(max((j + 0.5) * w / width - 0.5, 0), w - 1)
        i0, j0 = int(at_i), int(at_j)
        i1, j1 = min(i0 + 1, h - 1), min(j0 + 1, w - 1)
        fi, fj = at_i - i0, at_j - j0
        upper = (1 - fj) * image[:, i0, j0] + fj * image[:, i0, j1]
        lower = (1 - fj) * image[:, i1, j0] + fj * image[:, i1, j1]
        y[:, i, j] = (1 - fi) * upper + fi * lower
    return y


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 7), (3, 8, 4)])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (3, 11), (16, 2)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sampling_is_bilinear(shape, size, dtype):
    image = picture(shape, dtype)
    y = resample(image, *size)
    assert y.dtype == image.dtype
    np.testing.assert_allclose(y, resampled(image.astype(np.float64), *size), rtol=0, atol=8 * eps(dtype))


@pytest.mark.parametrize("shape, size, expected", [
    ((3, 10, 15), 5, (5, 7)), ((3, 15, 10), 5, (7, 5)), ((1, 4, 4), 9, (9, 9)), ((1, 3, 7), (2, 2), (2, 2)),
    ((1, 1, 99), 1, (1, 99)),
])  # fmt: skip
def test_an_integer_size_is_the_shorter_side(shape, size, expected):
    image = picture(shape)
    y = Resize(size)(image)
    assert y.shape[1:] == expected
    assert np.array_equal(y, resample(image, *expected))


def test_resized_crops_are_parts_of_the_area_and_proportions_asked_for():
    h, w = 200, 300
    rows, columns = np.mgrid[0:h, 0:w].astype(np.float64)
    image = np.stack((rows, columns))
    areas, ratios = [], []
    for seed in range(600):
        y = RandomResizedCrop(50, scale=(0.1, 0.2), ratio=(0.5, 2.0))(image, rng=seed)
        # The coordinates of the outermost samples tell the part; they lie half a step inside it.
        height, width = (float(y[axis, -1, -1] - y[axis, 0, 0]) * 50 / 49 for axis in (0, 1))
        areas.append(height * width / (h * w))
        ratios.append(width / height)
    # Sides are whole pixels, of 55 to 155.
    assert 0.098 < min(areas) < 0.103 and 0.197 < max(areas) < 0.202
    assert 0.49 < min(ratios) < 0.53 and 1.9 < max(ratios) < 2.04
    # The logarithm of the proportions is uniform.
    assert abs(np.log(ratios).mean()) < 5 * math.log(4) / math.sqrt(12 * 600)


def test_a_resized_crop_of_everything_is_a_resize():
    image = picture((2, 10, 10))
    assert np.array_equal(RandomResizedCrop(5, scale=(1, 1), ratio=(1, 1))(image, rng=0), Resize((5, 5))(image))


@pytest.mark.parametrize(
    "shape, part", [((1, 4, 400), (slice(0, 4), slice(197, 202))), ((1, 400, 4), (slice(197, 202), slice(0, 4)))]
)
def test_where_no_part_fits_the_largest_central_one_is_taken(shape, part):
    image = picture(shape, np.float64)
    y = RandomResizedCrop(4, scale=(1, 1))(image, rng=0)
    assert np.array_equal(y, resample(image[:, *part], 4, 4))


def test_normalized_channels_have_mean_0_and_deviation_1():
    image = picture((3, 40, 50), np.float64)
    mean, std = image.mean(axis=(1, 2)), image.std(axis=(1, 2))
    y = Normalize(mean, std)(image)
    np.testing.assert_allclose(y.mean(axis=(1, 2)), 0, atol=1e-13)
    np.testing.assert_allclose(y.std(axis=(1, 2)), 1, rtol=1e-13)
    np.testing.assert_allclose(Normalize(0.5, 0.25)(image), (image - 0.5) / 0.25, rtol=4 * eps(float))


@pytest.mark.parametrize("size", [1, 3, 4, (2, 5), 40])
def test_cutout_overwrites_one_rectangle_about_a_pixel(size):
    height, width = size if isinstance(size, tuple) else (size, size)
    h, w = 9, 12
    image = picture()
    expected = set()
    for i, j in np.ndindex(h, w):
        hole = np.zeros((h, w), bool)
        hole[max(i - height // 2, 0) : i - height // 2 + height, max(j - width // 2, 0) : j - width // 2 + width] = True
        expected.add(hole.tobytes())
    found = set()
    for seed in range(20 * len(expected)):
        y = Cutout(size, fill=-1)(image, rng=seed)
        hole = (y == -1).all(axis=0)
        assert np.array_equal(y[:, ~hole], image[:, ~hole])
        found.add(hole.tobytes())
    assert found <= expected and len(found) > 0.9 * len(expected)


def test_mixup_takes_one_share_and_a_permutation():
    n = 6
    images, labels = np.eye(n).reshape(n, n, 1, 1), np.arange(n)
    for seed in range(20):
        x, y = Mixup(1.0, num_classes=n)(images, labels, rng=seed)
        assert np.array_equal(x[:, :, 0, 0], y)
        np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-15)
        assert np.array_equal(y, Mixup(1.0)(images, np.eye(n), rng=seed)[1])
        mixed = y[y.max(axis=1) < 1]
        assert len({tuple(sorted(row[row > 0])) for row in mixed.round(12)}) <= 1
        np.testing.assert_allclose(y.sum(axis=0), 1, rtol=1e-15)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_of_mixup_follow_the_beta_distribution(alpha):
    images, n = np.array([0.0, 1.0]).reshape(2, 1, 1, 1), 1500
    # Where the two change places, the first image becomes 1 - share.
    shares = [
        1 - x[0, 0, 0, 0] for x in (Mixup(alpha, 2)(images, np.arange(2), rng=seed)[0] for seed in range(n)) if x[0, 0, 0, 0]
    ]
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(np.mean(shares) - 0.5) < 5 * math.sqrt(variance / len(shares))
    assert abs(np.var(shares) - variance) < 0.2 * variance


@pytest.mark.parametrize(
    "images, labels, options, name",
    [
        (np.zeros((2, 1, 1, 1)), np.arange(2), {}, "num_classes"),
        (np.zeros((2, 1, 1, 1)), np.arange(3), {"num_classes": 3}, "labels"),
        (np.zeros((2, 1, 1, 1)), np.array([0, 3]), {"num_classes": 3}, "labels"),
        (np.zeros((2, 1, 1, 1)), np.array([0, -1]), {"num_classes": 3}, "labels"),
        (np.zeros((2, 1, 1, 1)), np.zeros(2), {"num_classes": 3}, "labels"),
        (np.zeros((2, 1, 1, 1), np.uint8), np.arange(2), {"num_classes": 2}, "images"),
    ],
)
def test_batches_that_cannot_be_mixed_are_refused(images, labels, options, name):
    with pytest.raises(FastconvError, match=rf"^{name}: got"):
        Mixup(0.2, **options)(images, labels, rng=0)


@pytest.mark.parametrize(
    "make, name",
    [
        (lambda: RandomHorizontalFlip(1.5), "p"), (lambda: RandomRotation(-1), "degrees"),
        (lambda: RandomRotation((3, 1)), "degrees"), (lambda: RandomRotation("x"), "degrees"),
        (lambda: RandomRotation(math.nan), "degrees"), (lambda: RandomBrightness(-0.1), "strength"),
        (lambda: RandomContrast((-1, 2)), "strength"), (lambda: RandomContrast((1, 2, 3)), "strength"),
        (lambda: ColorJitter(contrast=-1), "contrast"), (lambda: ColorJitter(hue=0.6), "hue"),
        (lambda: RandomCrop(0), "size"), (lambda: RandomCrop(4, padding=-1), "padding"),
        (lambda: CenterCrop((1, 2, 3)), "size"),
        (lambda: RandomResizedCrop(8, scale=0.5), "scale"), (lambda: RandomResizedCrop(8, scale=(0.5, 1.5)), "scale"),
        (lambda: RandomResizedCrop(8, scale=(0, 1)), "scale"), (lambda: RandomResizedCrop(8, ratio=(2, 1)), "ratio"),
        (lambda: Resize(0), "size"), (lambda: Normalize(0, 0), "std"), (lambda: Normalize([math.inf], 1), "mean"),
        (lambda: Normalize([], 1), "mean"), (lambda: Normalize([0, 1], 1)(picture()), "mean"), (lambda: Cutout(0), "size"),
        (lambda: Mixup(0), "alpha"), (lambda: Mixup(math.inf), "alpha"),
    ],
)  # fmt: skip
def test_parameters_that_are_none_are_refused(make, name):
    with pytest.raises(InvalidArgumentError, match=rf"^{name}: got"):
        make()


def test_sizes_are_integers():
    with pytest.raises(InvalidTypeError, match=r"^size: got 4\.5"):
        RandomCrop(4.5)


def test_compose_applies_its_transforms_in_turn_from_one_generator():
    parts = [RandomCrop(6, padding=1), RandomRotation(20), RandomBrightness(0.3)]
    for seed in range(5):
        rng, expected = np.random.default_rng(seed), picture()
        for part in parts:
            expected = part(expected, rng=rng)
        assert np.array_equal(Compose(parts)(picture(), rng=seed), expected)
        assert np.array_equal(Compose([parts[0], Compose(parts[1:])])(picture(), rng=seed), expected)


def test_callables_get_rng_where_they_have_such_a_parameter():
    class Method:
        def __call__(self, image, *, rng):
            return image + isinstance(rng, np.random.Generator)

    def image_only(image, factor=2):
        return image * factor

    pipeline = Compose([np.abs, image_only, lambda image, rng=None: image + isinstance(rng, np.random.Generator), Method()])
    assert pipeline(np.array([[[-3.0]]]), rng=0) == 3 * 2 + 1 + 1


def test_batch_level_transforms_come_last_and_see_batches_only():
    mixup, flip = Mixup(0.2, num_classes=2), RandomHorizontalFlip(1)
    pipeline = Compose([flip, mixup])
    image = picture()
    assert np.array_equal(pipeline(image, rng=0), flip(image))
    batch = picture((2, 3, 4, 4)), np.arange(2)
    for found, expected in zip(pipeline(*batch, rng=0), mixup(*batch, rng=0), strict=True):
        assert np.array_equal(found, expected)
    with pytest.raises(InvalidArgumentError, match=r"^transforms: Mixup.* works on batches"):
        Compose([mixup, flip])
