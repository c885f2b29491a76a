"""Apache Kafka's jars: fetched from Maven Central at the versions in `kafka.lock`, each held to its SHA-256.

They are kept in a cache shared by all installations of this user, laid out like any Maven repository. The lock lists
every jar, so no dependency is resolved here and what runs is what was reviewed.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bootstrap.local_stack import LocalStackError

LOCK_PATH: Final = Path(__file__).with_name("kafka.lock")
FETCHES_AT_ONCE: Final = 6
FETCH_TIMEOUT_S: Final = 60


class JarError(LocalStackError):
    """A jar could not be fetched, or is not the one that was locked."""


@dataclass(frozen=True)
class LockedJar:
    """One line of the lock."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinate(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def repository_path(self) -> Path:
        """Its place in a Maven repository."""
        folder = Path(*self.group.split("."), self.artifact, self.version)
        return folder / f"{self.artifact}-{self.version}.jar"


def read_lock(path: Path = LOCK_PATH) -> list[LockedJar]:
    """Read `group:artifact:version sha256` lines; `#` begins a comment. Raises ValueError on any other line."""
    jars = []
    for line in path.read_text(encoding="ascii").splitlines():
        if not line or line.startswith("#"):
            continue
        coordinate, sha256 = line.split(" ")
        group, artifact, version = coordinate.split(":")
        jars.append(LockedJar(group=group, artifact=artifact, version=version, sha256=sha256))
    return jars


def cache_path(override: Path | None) -> Path:
    """The directory shared by all installations: `override` (`GUILDER_CACHE`) or the user's cache directory."""
    if override is not None:
        return override
    user_caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(user_caches) if user_caches else Path.home() / ".cache") / "guilder"


def fetch_jars(
    cache: Path, jars: list[LockedJar], on_jar: Callable[[LockedJar], None] = lambda _jar: None
) -> list[Path]:
    """Return the path of every jar, fetching those that are not in `cache`; `on_jar` is told of each one that is there.

    Raises JarError when one cannot be fetched or does not match its checksum.
    """

    def fetch(jar: LockedJar) -> Path:
        path = fetch_jar(cache / "maven", jar)
        on_jar(jar)
        return path

    with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
        return list(pool.map(fetch, jars))


def download_jar(jar: LockedJar, folder: Path) -> Path:
    """Download a jar from Maven Central into `folder`. Raises JarError."""
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=folder, timeout=FETCH_TIMEOUT_S)
    try:
        return Path(context.create_dependency(jar.coordinate).artifact.resolve())
    except Exception as error:  # jgo lets whatever its HTTP client raises through
        raise JarError(f"could not fetch {jar.coordinate}: {error}") from error


def fetch_jar(repository: Path, jar: LockedJar, download: Callable[[LockedJar, Path], Path] = download_jar) -> Path:
    """Return the verified jar's path. A jar gets its final name only once it has been verified; raises JarError."""
    path = repository / jar.repository_path
    if path.exists():
        return path
    repository.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=repository, prefix=".fetch-") as pending:
        fetched = download(jar, Path(pending))
        found = hashlib.sha256(fetched.read_bytes()).hexdigest()
        if found != jar.sha256:
            raise JarError(f"{jar.coordinate} has SHA-256 {found}, but {jar.sha256} was locked")
        path.parent.mkdir(parents=True, exist_ok=True)
        fetched.replace(path)
    return path
