"""Files written whole or not at all, and scratch space that outlives no run for long."""

from __future__ import annotations

import glob
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from clvforecast.errors import DataError

__all__ = ["Scratch", "replacing"]

_TOKEN_LENGTH: Final = 12


class Scratch:
    """A temporary path of this process, cleared away by the next one should this one be killed.

    Beside it lies a file with the operating system's lock, which is free as soon as its process is
    gone, however it went. Whoever makes a scratch path of the same name clears away those whose
    lock is free. So runs at the same time, also on other machines with the same disk, are safe.

    Parameters
    ----------
    folder : Path
        Where it shall be.
    name : str
        What its name begins with.
    suffix : str
        What its name ends with.

    Attributes
    ----------
    path : Path
        Not there yet: for a file or a folder.
    """

    def __init__(self, folder: Path, name: str, suffix: str = "") -> None:
        from filelock import FileLock

        for lock in folder.glob(f"{glob.escape(name)}.{'?' * _TOKEN_LENGTH}.lock"):
            _clear_if_left(lock, suffix)
        stem = f"{name}.{uuid.uuid4().hex[:_TOKEN_LENGTH]}"
        self.path = folder / f"{stem}{suffix}"
        self._lock = FileLock(folder / f"{stem}.lock", timeout=0)
        with suppress(NotImplementedError):  # a disk without locks: then nobody can clear away
            self._lock.acquire()

    def remove(self) -> None:
        """Remove the path and whatever is in it."""
        _remove(self.path)
        self._lock.release(force=True)
        Path(self._lock.lock_file).unlink(missing_ok=True)


def _clear_if_left(lock: Path, suffix: str) -> None:
    from filelock import FileLock, Timeout

    # In use; another user's; or somebody else is clearing it away just now.
    with suppress(Timeout, OSError, NotImplementedError), FileLock(lock, timeout=0):
        _remove(lock.with_name(lock.name.removesuffix(".lock") + suffix))
        lock.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; move it there when the block succeeds.

    If the block raises, `path` is left as it was and the temporary file is removed; if the process
    is killed, the next to write the same file removes it.

    Raises
    ------
    DataError
        If the folder does not exist or cannot be written to, or `path` is a folder.
    """
    target = Path(path)
    if target.is_dir():
        raise DataError(f"Cannot write {str(target)!r}: it is a folder. Name a file in it.")
    if not target.parent.is_dir():
        raise DataError(
            f"Cannot write {str(target)!r}: the folder {str(target.parent)!r} does not exist. "
            "Create it first."
        )
    try:
        scratch = Scratch(target.parent, f".{target.name}", target.suffix)
    except OSError as error:
        raise DataError(f"Cannot write {str(target)!r}: {error.strerror}.") from error
    temporary = scratch.path
    try:
        temporary.touch(mode=0o600)
        yield temporary
        temporary.chmod(target.stat().st_mode if target.exists() else 0o666 & ~_umask())
        temporary.replace(target)
    finally:
        scratch.remove()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
