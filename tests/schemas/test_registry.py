"""The registry lock: ids that never move, and a refusal where a schema was changed after it got its id."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import rfc8785

from schemas import registry as module
from schemas.registry import RegistryBroken, load_definitions, newest_schemas, registry, schemas_by_id, sha256_of

AVRO = Path(module.__file__).parent / "avro"
LOCK = Path(module.__file__).parent / "registry.lock"


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the registry that may be spoilt."""
    folder = tmp_path / "avro"
    folder.mkdir()
    for path in AVRO.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (tmp_path / "registry.lock").write_bytes(LOCK.read_bytes())
    monkeypatch.setattr(module, "_FOLDER", folder)
    monkeypatch.setattr(module, "_LOCK", tmp_path / "registry.lock")
    registry.cache_clear()
    yield tmp_path
    registry.cache_clear()


def test_ids_are_dense_and_each_schema_has_one() -> None:
    entries = registry()
    assert [entry.id for entry in entries] == list(range(1, len(entries) + 1))
    files = {f"{entry.event_type}.v{entry.version}" for entry in entries}
    assert len(files) == len(entries)
    assert files == {name for name in load_definitions() if ".v" in name}


@pytest.mark.parametrize(
    ("number", "event_type", "version"),
    [
        (1, "MerchantRegistered", 1),
        (6, "PaymentIntentCreated", 1),
        (12, "PaymentCaptured", 1),
        (26, "PspOutcomeUnknown", 1),
        (27, "PspOutcomeUnknown", 2),
        (30, "LateSuccessReversed", 1),
    ],
)
def test_an_id_that_was_given_stays(number: int, event_type: str, version: int) -> None:
    entry = schemas_by_id()[number]
    assert (entry.event_type, entry.version) == (event_type, version)


def test_the_hash_is_over_rfc_8785_json_with_references_expanded() -> None:
    for entry in registry():
        assert entry.sha256 == hashlib.sha256(rfc8785.dumps(entry.definition)).digest()
        assert entry.sha256 == sha256_of(entry.definition)
        assert len(entry.sha256) == 32


def test_the_newest_version_is_the_highest() -> None:
    assert newest_schemas()["PspOutcomeUnknown"].version == 2
    versions: dict[str, int] = {}
    for entry in registry():
        versions[entry.event_type] = max(entry.version, versions.get(entry.event_type, 0))
    assert {name: entry.version for name, entry in newest_schemas().items()} == versions


def test_an_untouched_copy_is_taken(copied: Path) -> None:
    assert len(registry()) == len(LOCK.read_text().splitlines()) - 1


def test_how_a_file_is_laid_out_does_not_matter(copied: Path) -> None:
    path = copied / "avro" / "PaymentCanceled.v1.avsc"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=7))
    assert registry()


def test_a_schema_that_was_changed_is_refused(copied: Path) -> None:
    path = copied / "avro" / "PaymentCanceled.v1.avsc"
    path.write_text(path.read_text().replace('"reason"', '"cause"'))
    with pytest.raises(RegistryBroken, match=r"PaymentCanceled\.v1\.avsc has changed since it got id 25"):
        registry()


def test_a_shared_record_that_was_changed_is_refused(copied: Path) -> None:
    path = copied / "avro" / "PspFee.avsc"
    path.write_text(path.read_text().replace('"long"', '"int"'))
    with pytest.raises(RegistryBroken, match="has changed since it got id"):
        registry()


def test_a_schema_that_was_removed_is_refused(copied: Path) -> None:
    (copied / "avro" / "PspOutcomeUnknown.v1.avsc").unlink()
    with pytest.raises(RegistryBroken, match="which is not there"):
        registry()
