"""Write files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clvforecast.errors import DataError

__all__ = ["replacing"]


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; move it there when the block succeeds.

    If the block raises, `path` is left as it was and the temporary file is removed.

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
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.name}.", suffix=target.suffix
        )
    except OSError as error:
        raise DataError(f"Cannot write {str(target)!r}: {error.strerror}.") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(target.stat().st_mode if target.exists() else 0o666 & ~_umask())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
