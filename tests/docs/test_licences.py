"""docs/licences.md names the licence of every package that Guilder runs on, and each is one that we may build on."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DOCUMENT = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
# Licences that ask for no more than to be named. Every other one needs its reason in the document.
ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-CMU", "PSF-2.0"),
    *("Unlicense", "Zlib"),
}
# What packages write that name no SPDX expression.
IN_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache Software License; MIT License": "Apache-2.0 OR MIT",
    "BSD License": "BSD",
    "BSD-derived (Repoze)": "Repoze",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}
LONGEST_NAME = 60  # some packages write their whole licence where its name belongs


def needed_by(requirements: Iterable[str]) -> set[str]:
    """Canonical names of the installed packages that these need, and those need, on this Python and platform."""
    found: set[tuple[str, frozenset[str]]] = set()
    todo = [(Requirement(line), frozenset({""})) for line in requirements]
    while todo:
        requirement, wanted = todo.pop()
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in wanted):
            continue
        extras = frozenset({"", *requirement.extras})
        if (canonicalize_name(requirement.name), extras) not in found:
            found.add((canonicalize_name(requirement.name), extras))
            todo += [(Requirement(line), extras) for line in distribution(requirement.name).requires or []]
    return {name for name, _ in found}


def licences_of(packages: set[str]) -> dict[str, str]:
    command = [str(Path(sys.executable).parent / "pip-licenses"), "--from=all", "--format=json", "--packages"]
    answer = subprocess.run([*command, *packages], check=True, capture_output=True, text=True).stdout
    return {canonicalize_name(said["Name"]): _licence(said) for said in json.loads(answer)}


def _licence(said: dict[str, str]) -> str:
    for field in ("License-Expression", "License-Metadata", "License-Classifier"):
        if said[field] != "UNKNOWN" and len(said[field]) < LONGEST_NAME:
            return IN_SPDX.get(said[field], said[field])
    return "UNKNOWN"


def table(heading: str) -> dict[str, tuple[str, ...]]:
    """The rows below a heading of the document, by their first cell."""
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE)
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in re.findall(r"^\|.*\|$", section, re.MULTILINE)
    ]
    return {row[0]: row[1:] for row in rows[2:]}


def is_allowed(expression: str) -> bool:
    return all(set(term.split(" OR ")) & ALLOWED for term in expression.split(" AND "))


@pytest.mark.parametrize(
    ("heading", "requirements"),
    [
        ("What every process needs", PROJECT["dependencies"]),
        ("What `./guilder up` and `./guilder bench` need besides", PROJECT["optional-dependencies"]["local"]),
        ("What `./guilder up` and `./guilder bench` need besides", PROJECT["optional-dependencies"]["bench"]),
    ],
)
def test_the_licence_of_every_package_is_listed(heading: str, requirements: list[str]) -> None:
    listed = {
        name: cells[0] for heading_ in {heading, "What every process needs"} for name, cells in table(heading_).items()
    }
    found = licences_of(needed_by(requirements))
    missing = {name: licence for name, licence in sorted(found.items()) if listed.get(name) != licence}
    assert missing == {}, "\n".join(f"| {name} | {licence} |" for name, licence in missing.items())


def test_nothing_is_listed_that_the_lock_does_not_hold() -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE))
    listed = {*table("What every process needs"), *table("What `./guilder up` and `./guilder bench` need besides")}
    assert listed - locked == set()


def test_each_licence_is_allowed_or_has_its_reason() -> None:
    listed = table("What every process needs") | table("What `./guilder up` and `./guilder bench` need besides")
    refused = {name for name, cells in listed.items() if not is_allowed(cells[0])}
    excused = table("Exceptions and why")
    assert refused == set(excused)
    assert all(len(cells[1].split()) > 5 for cells in excused.values()), "each exception has its reason"


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [("MIT", True), ("GPL-3.0", False), ("GPL-3.0 OR MIT", True), ("MIT AND LGPL-3.0", False), ("UNKNOWN", False)],
)
def test_what_is_allowed(expression: str, *, allowed: bool) -> None:
    assert is_allowed(expression) is allowed
