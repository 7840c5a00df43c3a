"""Batches for training: 256 images of 3x32x32, with and without augmentation."""

import functools

import numpy as np

import fastconv as fc

from .common import Timed, begin, random_array


@functools.lru_cache(maxsize=1)
def loader_of(augmentation):
    images = np.abs(random_array((256, 3, 32, 32))) % 1
    transform = [fc.data.RandomCrop(32, padding=4), fc.data.RandomHorizontalFlip()] if augmentation != "none" else None
    return fc.data.DataLoader((images, np.arange(256) % 10), batch_size=32, transform=transform, rng=0)


class Loader(Timed):
    param_names = ("augmentation",)
    params = (("none", "crop and flip"),)

    def setup(self, augmentation):
        begin(needs="data")
        self.loader = loader_of(augmentation)

    def time_epoch(self, augmentation):
        for _ in self.loader:
            pass

    time_epoch.pretty_name = "Batches of 256 images"
