"""The house keeps its shape: which rooms there are, what may stand in them, and what no text may carry."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {
    "command_api",
    "aggregates",
    "projections",
    "processors",
    "schemas",
    "migrations",
    "deploy",
    "tests",
    "event_store",
    "bootstrap",
    "docs",
}
PACKAGES = sorted(ROOMS - {"deploy", "tests", "docs"})
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "models", "services"}


def tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [path for line in listing.splitlines() if (path := ROOT / line).is_file()]


def python_files() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py"]


def test_only_the_agreed_rooms_stand_at_the_top() -> None:
    tops = {path.relative_to(ROOT).parts[0] for path in tracked_files() if len(path.relative_to(ROOT).parts) > 1}
    assert {top for top in tops if not top.startswith(".")} <= ROOMS


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_says_what_lives_there_and_where_to_start(package: str) -> None:
    docstring = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8")))
    assert docstring is not None
    assert "import" in docstring, "says what it may import"
    assert "tart reading" in docstring, "says where a newcomer starts"


def test_files_are_named_after_nouns_of_the_domain() -> None:
    assert [path for path in python_files() if path.stem in NAMES_THAT_SAY_NOTHING] == []


def test_nothing_is_left_unfinished() -> None:
    marks = re.compile(r"NotImplemented" + r"Error|\b(TO" + r"DO|FIX" + r"ME)\b")
    assert [path for path in python_files() if marks.search(path.read_text(encoding="utf-8"))] == []


def test_no_test_can_skip() -> None:
    ways_out = re.compile(r"pytest\.(mark\.)?(skip|xfail)|import" + r"orskip")
    own = Path(__file__)
    tests = [path for path in python_files() if ROOT / "tests" in path.parents and path != own]
    assert tests
    assert [path for path in tests if ways_out.search(path.read_text(encoding="utf-8"))] == []


def test_time_ids_and_randomness_enter_in_one_place_only() -> None:
    reads = re.compile(
        r"datetime\.now\(|\butcnow\(|\btime\.time(_ns)?\(|\buuid[14]\(|^import random|^import secrets", re.MULTILINE
    )
    pure = [path for path in python_files() if path.relative_to(ROOT).parts[0] in {"schemas", "aggregates"}]
    assert pure
    assert [path for path in pure if reads.search(path.read_text(encoding="utf-8"))] == []


def test_the_lock_pins_by_hash_and_names_no_index() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if "==" in line]
    assert len(pins) > len({"aiokafka", "asyncpg", "eventsourcing", "fastapi", "fastavro", "faust-streaming"})
    assert all(line.rstrip().endswith("\\") for line in pins), "each pin is followed by its hashes"
    assert not any("://" in line or line.startswith("-") for line in lines)


@pytest.mark.parametrize(
    "package",
    [
        "eventsourcing",
        "aiokafka",
        "faust",
        "fastapi",
        "asyncpg",
        "fastavro",
        "opentelemetry",
        "pytest",
        "testcontainers",
    ],
)
def test_the_packages_the_house_stands_on_are_really_used(package: str) -> None:
    imported = re.compile(rf"^\s*(from|import) {package}\b", re.MULTILINE)
    assert any(imported.search(path.read_text(encoding="utf-8")) for path in python_files())


def test_every_decision_names_a_test_that_guards_it() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert decisions
    for decision in decisions:
        guards = re.findall(r"`(tests/[\w/.]+)`", decision.read_text(encoding="utf-8"))
        assert guards, f"{decision.name} names no test"
        assert all((ROOT / guard).exists() for guard in guards), f"{decision.name} names a test that is not there"


@pytest.mark.parametrize(("package", "allowed"), [("schemas", {"fastavro", "msgspec"}), ("aggregates", {"msgspec"})])
def test_the_pure_packages_import_no_other_third_party(package: str, allowed: set[str]) -> None:
    imported = {
        name.partition(".")[0]
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _names(node)
    }
    assert imported - set(PACKAGES) - set(sys.stdlib_module_names) == allowed


def test_projections_use_an_aggregate_only_to_fold_and_to_render() -> None:
    used = {
        alias.name
        for path in (ROOT / "projections").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aggregates")
        for alias in node.names
    }
    assert used == {"PaymentIntent", "evolve", "initial", "refund_resource", "resource"}


def _names(node: ast.AST) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom():
            return [node.module or ""]
        case _:
            return []
