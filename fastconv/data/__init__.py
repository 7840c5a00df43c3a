"""Datasets, loaders and augmentation, on NumPy arrays (n, c, h, w).

What there is:

    digits, mnist, fashion_mnist, cifar10, cifar100, image_folder, npz   read a Dataset
    Dataset      images, labels and class names; train_test_split parts it
    transforms   augmentation of images and batches
    DataLoader   batches for training: streams.py gives each sample its random numbers, prefetch.py prepares batches ahead
"""

from . import transforms
from .cifar import cifar10, cifar100
from .dataset import Dataset, LazyImages
from .digits import digits
from .idx import fashion_mnist, mnist
from .image_folder import ImageFiles, image_folder, read_image
from .loader import DataLoader
from .npz import npz
from .split import train_test_split
from .transforms import (
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
)

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "Cutout",
    "DataLoader",
    "Dataset",
    "ImageFiles",
    "LazyImages",
    "Mixup",
    "Normalize",
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "Resize",
    "cifar10",
    "cifar100",
    "digits",
    "fashion_mnist",
    "image_folder",
    "mnist",
    "npz",
    "read_image",
    "train_test_split",
    "transforms",
]
