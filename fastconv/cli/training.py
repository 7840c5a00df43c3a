"""`fastconv train | predict`: networks on real images.

A model file is a saved network (`fastconv.nn.CNN.load` reads it) that also holds the names of the classes and what is done to
images before the network sees them.
"""

from __future__ import annotations

import inspect
import json
import pathlib
import sys

import click
import numpy as np

from .. import data, models, nn, optim, training
from ..errors import InvalidArgumentError
from ..functional import softmax
from ..nn.serialization import describe, load_arrays, rebuild, save_arrays
from ..report.curves import format_curves
from ..report.environment import describe_environment
from ..report.text import format_table
from ..threads import get_num_threads, num_threads
from .shared import require_writable, writing

__all__ = ["predict", "train"]

OPTIMIZERS = {"adamw": optim.AdamW, "adam": optim.Adam, "sgd": optim.SGD, "rmsprop": optim.RMSprop, "adagrad": optim.Adagrad}
SCHEDULES = ("one_cycle", "cosine", "step", "none")
# Sets of images in a folder that has a part to test with.
_READERS = {"mnist": data.mnist, "fashion-mnist": data.fashion_mnist, "cifar10": data.cifar10, "cifar100": data.cifar100}
SOURCES = ("digits", *_READERS, "folder")
_CURVES = ("loss", "val_loss", "accuracy", "val_accuracy")
# Images looked at for the mean and standard deviation of their channels.
_STATISTICS = 2000
# Images of a smaller side go to the variant of a residual network that does not halve them twice at its entry.
_SMALL = 96


@click.command()
@click.argument("source", type=click.Choice(SOURCES))
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False))
@click.option("--model", type=click.Choice(models.__all__), default="advanced_cnn", show_default=True)
@click.option("--epochs", type=click.IntRange(min=0), default=15, show_default=True)
@click.option("--batch-size", type=click.IntRange(min=1), default=64, show_default=True)
@click.option(
    "--lr", type=click.FloatRange(min=0, min_open=True), default=3e-3, show_default=True, help="The highest learning rate."
)
@click.option("--optimizer", type=click.Choice(OPTIMIZERS), default="adamw", show_default=True)
@click.option("--schedule", type=click.Choice(SCHEDULES), default="one_cycle", show_default=True)
@click.option("--clip-norm", type=click.FloatRange(min=0, min_open=True), help="Limit of the gradients' global norm.")
@click.option("--augment/--no-augment", default=True, show_default=True, help="Shift, flip and colour images at random.")
@click.option("--size", type=click.IntRange(min=1), default=64, show_default=True, help="Side of the images of a folder.")
@click.option(
    "--validation",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Share of the images set aside  [default: the set's own test images, else 0.25]",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--workers", type=click.IntRange(min=0), default=0, show_default=True, help="Threads that prepare batches.")
@click.option("--threads", type=click.IntRange(min=1), help="[default: OMP_NUM_THREADS, else all CPUs]")
@click.option("--output", type=click.Path(dir_okay=False), help="Write the trained model (.npz or .safetensors).")
@click.option("--checkpoint", type=click.Path(dir_okay=False), help="Write the state of training there after every epoch.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint, if it is there.")
@click.option("--log-csv", type=click.Path(dir_okay=False), help="Write a table of the epochs.")
@click.option("--record", type=click.Path(dir_okay=False), help="Write what fastconv report train shows (JSON).")
def train(source, folder, seed, threads, output, checkpoint, resume, log_csv, record, **options):
    """Train a network on images, and show its accuracy on images that it has not seen.

    SOURCE is digits (scikit-learn's), or mnist, fashion-mnist, cifar10 or cifar100 with the FOLDER of their files, or folder
    with a FOLDER of image files, one subfolder a class.
    """
    if (folder is None) != (source == "digits"):
        raise click.UsageError(f"{source} {'needs a' if folder is None else 'takes no'} FOLDER")
    if resume and checkpoint is None:
        raise click.UsageError("--resume needs --checkpoint")
    for option, path in (("output", output), ("checkpoint", checkpoint), ("log-csv", log_csv), ("record", record)):
        require_writable(option, path)
    with num_threads(threads or get_num_threads()):
        train_set, test_set = _read(source, folder, options["size"], options["validation"], seed)
        click.echo(f"{train_set}, {len(test_set)} to test with")
        shape = train_set.images.shape[1:]
        normalize = _normalize(train_set)
        network = _network(options["model"], shape, len(train_set.classes), seed)
        click.echo(f"\n{options['model']}\n{network.summary((options['batch_size'], *shape))}\n")
        callbacks = [_EpochLines()]
        if sys.stderr.isatty():
            callbacks.append(training.ProgressBar(leave=False))
        if log_csv:
            callbacks.append(training.CSVLogger(log_csv))
        if record:
            named = {"network": options["model"], "data": source, "schedule": options["schedule"]}
            callbacks.append(training.Recorder(record, settings=named, environment=describe_environment()))
        if checkpoint:
            callbacks.append(training.Checkpoint(checkpoint, resume=resume))
        steps = options["epochs"] * -(-len(train_set) // options["batch_size"])
        history = network.fit(
            train_set,
            optimizer=OPTIMIZERS[options["optimizer"]](lr=options["lr"], **_optimizer_options(options["optimizer"])),
            schedule=_schedule(options["schedule"], options["lr"], options["epochs"], steps),
            epochs=options["epochs"],
            batch_size=options["batch_size"],
            clip_norm=options["clip_norm"],
            transform=[*(_augmentation(source, shape) if options["augment"] else ()), normalize],
            validation_transform=[normalize],
            validation_data=test_set,
            workers=options["workers"],
            callbacks=callbacks,
            rng=seed,
            verbose=False,
        )
        _, accuracy = _evaluate(network, test_set, normalize)
    if len(history) > 1:
        click.echo("\n" + format_curves({name.replace("val_", "validation "): history[name] for name in _CURVES}) + "\n")
    click.echo(f"accuracy {accuracy:.2%} of {len(test_set)} images")
    if output:
        preprocessing = {"shape": list(shape), "mean": list(normalize.mean), "std": list(normalize.std)}
        description = {"network": describe(network), "classes": list(train_set.classes), "preprocessing": preprocessing}
        with writing("output", output):
            save_arrays(output, network.state_dict(), description)
        click.echo(f"model written to {output}")


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False))
@click.argument("images", nargs=-1, required=True, type=click.Path())
@click.option("--top", type=click.IntRange(min=1), default=1, show_default=True, help="So many classes for each image.")
@click.option("--invert", is_flag=True, help="Swap light and dark: digits and MNIST are light on dark.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def predict(model, images, top, invert, as_json):
    """Show the class of each of the IMAGES, and its probability, by a MODEL that `fastconv train` wrote."""
    arrays, description = load_arrays(model)
    missing = [name for name in ("network", "classes", "preprocessing") if name not in description]
    if missing:
        raise InvalidArgumentError(f"{model}: holds no {', '.join(missing)}; expected a model that fastconv train wrote")
    network = rebuild(description["network"])
    network.load_state_dict(arrays)
    preprocessing, classes = description["preprocessing"], description["classes"]
    channels, *size = preprocessing["shape"]
    normalize = data.Normalize(preprocessing["mean"], preprocessing["std"])
    pixels = (data.read_image(path, tuple(size), channels=channels) for path in images)
    batch = np.stack([normalize(_as_numbers(image, invert, network.dtype)) for image in pixels])
    probabilities = softmax(network.predict(batch), axis=1)
    ranked = [[(classes[i], float(row[i])) for i in np.argsort(-row, kind="stable")[:top]] for row in probabilities]
    if as_json:
        click.echo(json.dumps([{"image": path, "classes": dict(found)} for path, found in zip(images, ranked, strict=True)]))
        return
    rows = [[path, name, f"{share:.1%}"] for path, found in zip(images, ranked, strict=True) for name, share in found]
    click.echo(format_table(["image", "class", "probability"], rows, "ll"))


class _EpochLines(training.Callback):
    """A line on standard output for each epoch."""

    def on_epoch_end(self, training):
        record, width = training.record, len(str(training.epochs))
        click.echo(
            f"epoch {training.epoch + 1:{width}}/{training.epochs}  "
            f"loss {record['loss']:.4f}  accuracy {record['accuracy']:.2%}  "
            f"validation loss {record['val_loss']:.4f}  accuracy {record['val_accuracy']:.2%}  {record['seconds']:.1f} s"
        )


def _read(source, folder, size, share, seed):
    """The images to train on and those to test with."""
    if source == "digits":
        whole = data.digits()
    elif source == "folder":
        whole = data.image_folder(pathlib.Path(folder), size)
    else:
        whole = _READERS[source](folder, "train")
        if share is None:
            return whole, _READERS[source](folder, "test")
    return data.train_test_split(whole, share or 0.25, rng=seed)


def _normalize(dataset):
    """Mean 0 and standard deviation 1 of each channel, over some of the images."""
    rows = np.linspace(0, len(dataset) - 1, min(len(dataset), _STATISTICS)).astype(int)
    images, _ = dataset[np.unique(rows)]
    images = _as_numbers(images, False, np.float64)
    mean, std = images.mean(axis=(0, 2, 3)), images.std(axis=(0, 2, 3))
    return data.Normalize(mean.tolist(), np.where(std > 0, std, 1.0).tolist())


def _as_numbers(images, invert, dtype):
    images = images.astype(dtype) / (255 if images.dtype == np.uint8 else 1)
    return 1 - images if invert else images


def _network(name: str, shape: tuple[int, ...], num_classes: int, seed: int) -> nn.Network:
    model = getattr(models, name)
    small = {"stem": "cifar"} if "stem" in inspect.signature(model).parameters and min(shape[1:]) < _SMALL else {}
    return model((None, *shape), num_classes, rng=seed, **small)


def _optimizer_options(name):
    return {"sgd": {"momentum": 0.9}, "adamw": {"weight_decay": 0.01}}.get(name, {})


def _schedule(name, lr, epochs, steps):
    if name == "none" or not steps:
        return None
    if name == "one_cycle":
        return optim.OneCycle(max_lr=lr, total_steps=steps)
    if name == "cosine":
        return training.LearningRateScheduler(optim.CosineAnnealing(period=steps), every="step")
    # A tenth of the rate in each third of the epochs.
    return optim.StepLR(step_size=max(1, -(-epochs // 3)), gamma=0.1)


def _augmentation(source, shape):
    """What leaves the class of an image of this source as it is."""
    crop = data.RandomCrop(tuple(shape[1:]), padding=(max(1, shape[1] // 8), max(1, shape[2] // 8)))
    if source in ("digits", "mnist"):
        return [crop]
    if source == "fashion-mnist":
        return [data.RandomHorizontalFlip(), crop]
    return [data.RandomHorizontalFlip(), data.ColorJitter(brightness=0.2, contrast=0.2), crop]


def _evaluate(network, dataset, normalize):
    return training.evaluate(network, data.DataLoader(dataset, batch_size=256, transform=[normalize]))
