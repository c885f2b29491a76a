"""The one thread that writes: many jobs to a commit, and a bad one spoils nothing for its neighbours."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bootstrap.psp_simulator.book import Book
from bootstrap.psp_simulator.writer import Writer


class Commits:
    """What the writer told of its transactions: the jobs in each."""

    def __init__(self) -> None:
        self.jobs: list[int] = []

    def observe(self, jobs: int, seconds: float) -> None:
        assert seconds > 0
        self.jobs.append(jobs)


@pytest.fixture
def commits() -> Commits:
    return Commits()


@pytest_asyncio.fixture
async def writer(tmp_path: Path, commits: Commits) -> AsyncIterator[Writer]:
    writer = Writer(tmp_path / "psp.sqlite", observe_commit=commits.observe)
    await writer.start()
    yield writer
    await writer.stop()


class Bury:
    """Writes a tombstone; a reference that begins with `bad` fails after its write."""

    def __init__(self, reference: str) -> None:
        self._reference = reference

    def __call__(self, book: Book) -> str:
        book.bury(self._reference)
        if self._reference.startswith("bad"):
            raise ValueError(self._reference)
        return self._reference


async def buried(writer: Writer, *references: str) -> list[bool]:
    return await writer.run(lambda book: [book.tombstoned(reference) for reference in references])


async def test_a_job_that_fails_leaves_no_trace_and_its_neighbours_stand(writer: Writer) -> None:
    outcomes = await asyncio.gather(
        *(writer.run(Bury(reference)) for reference in ("a", "bad", "b", "a", "c")), return_exceptions=True
    )
    assert outcomes[0::2] == ["a", "b", "c"]
    assert isinstance(outcomes[1], ValueError)
    assert isinstance(outcomes[3], sqlite3.IntegrityError)
    assert await buried(writer, "a", "bad", "b", "c") == [True, False, True, True]


async def test_jobs_that_gather_while_one_commits_share_the_next_commit(writer: Writer, commits: Commits) -> None:
    await asyncio.gather(*(writer.run(Bury(f"job-{number}")) for number in range(200)))
    assert sum(commits.jobs) == 200
    assert len(commits.jobs) < 100
    assert max(commits.jobs) <= 256


async def test_a_transaction_that_fails_is_told_to_all_and_taken_back(writer: Writer) -> None:
    def refuse(book: Book) -> None:
        book.bury("half-done")
        raise sqlite3.OperationalError("disk I/O error")

    writer.before_batch = refuse
    outcomes = await asyncio.gather(*(writer.run(Bury(name)) for name in ("x", "y")), return_exceptions=True)
    assert all(isinstance(outcome, sqlite3.OperationalError) for outcome in outcomes)
    writer.before_batch = lambda _book: None
    assert await buried(writer, "half-done", "x", "y") == [False, False, False]
    assert await writer.run(lambda book: book.next_due_ms) == 0, "what was due is looked up anew"


async def test_stopping_finishes_what_was_submitted(tmp_path: Path, commits: Commits) -> None:
    writer = Writer(tmp_path / "other.sqlite", observe_commit=commits.observe)
    await writer.start()
    jobs = [asyncio.create_task(writer.run(Bury(f"job-{number}"))) for number in range(500)]
    await asyncio.sleep(0)
    await writer.stop()
    assert await asyncio.gather(*jobs) == [f"job-{number}" for number in range(500)]
    assert not writer.alive


async def test_a_book_that_cannot_be_opened_is_told_at_the_start(tmp_path: Path, commits: Commits) -> None:
    writer = Writer(tmp_path / "nowhere" / "psp.sqlite", observe_commit=commits.observe)
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        await writer.start()
    await writer.stop()


def modes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


async def test_the_book_and_its_journals_are_readable_by_their_owner_alone(tmp_path: Path, commits: Commits) -> None:
    path = tmp_path / "earlier.sqlite"
    path.touch(mode=0o644)  # as an earlier version left it
    writer = Writer(path, observe_commit=commits.observe)
    await writer.start()
    found = modes(tmp_path)
    await writer.stop()
    assert found == {"earlier.sqlite": 0o600, "earlier.sqlite-wal": 0o600}
