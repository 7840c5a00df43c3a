"""What examples are started with when the gallery runs them; most take no arguments."""

import pathlib
import tempfile

_folder = tempfile.TemporaryDirectory()
_ARGUMENTS = {"batch_norm_convergence.py": ["--epochs", "8", "--plot", f"{_folder.name}/curves.png"]}


def arguments(gallery, script):
    return _ARGUMENTS.get(pathlib.Path(script["src_file"]).name, [])
