"""Files that only this user can read, and that nobody sees half written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from enrollment_assets.errors import WarehouseError

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def make_private_folder(path: Path) -> Path:
    """Make a folder, and missing ones above it, that only this user can open."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        for folder in missing:
            folder.chmod(PRIVATE_FOLDER)
    except OSError as error:
        raise WarehouseError(
            f"The folder {path} cannot be created ({error.strerror}); correct data_dir, or remove what "
            "has its name."
        ) from None
    return path


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A private file to write, which takes the place of `path` when the block ends well.

    A reader sees the old file or the new one, never half of one.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.touch(PRIVATE_FILE)
        yield aside
        aside.chmod(PRIVATE_FILE)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def replace(path: Path, content: bytes, *, keeps_time: bool = False) -> Path:
    """Replace a file that may be read meanwhile.

    `keeps_time`: the file keeps its modification time, since its meaning has not changed.
    """
    with written_aside(path) as aside:
        aside.write_bytes(content)
        if keeps_time:
            times = path.stat()
            os.utime(aside, ns=(times.st_atime_ns, times.st_mtime_ns))
    return path
