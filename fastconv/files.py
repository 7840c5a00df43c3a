"""Files that are replaced by a whole one or not at all."""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets

__all__ = ["replacing", "write_whole"]


@contextlib.contextmanager
def replacing(path):
    """A binary file that takes the place of `path` when the block ends well, and leaves no trace when it does not."""
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_whole(path, text):
    """Write a text file so that readers see the old content or the new, never a part."""
    with replacing(path) as file:
        file.write(text.encode())
