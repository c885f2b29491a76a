"""Files that only ever grow, kept short: logs and traces, however much there is to say and whoever causes it."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

KEPT_BYTES: Final = 16 * 1024 * 1024


def older_of(path: Path) -> Path:
    """Where what was set aside lies: `api.log` → `api.1.log`."""
    return path.with_suffix(f".1{path.suffix}")


def keep_short(path: Path, kept_bytes: int | None = None) -> None:
    """Set a file aside, in the place of the one before it, once it has grown past `kept_bytes` (`KEPT_BYTES`).

    It is copied and emptied, not renamed: whoever writes to it has it open to append, and goes on. What is written between
    the two is lost. Where there is no room for the copy there is none, since a full disk is worse than a lost log.
    """
    limit = KEPT_BYTES if kept_bytes is None else kept_bytes
    if not path.exists() or path.stat().st_size <= limit:
        return
    older = older_of(path)
    older.unlink(missing_ok=True)
    try:
        shutil.copy(path, older)
    except OSError:
        with contextlib.suppress(OSError):
            older.unlink(missing_ok=True)
    os.truncate(path, 0)
