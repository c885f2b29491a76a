"""The documents point at what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(path for path in (ROOT / "docs").rglob("*.md")),
    ]
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize(
    "change", ["Add a payment method", "Add a posting rule", "Add a PSP", "Add a field to an event"]
)
def test_the_tour_says_which_few_files_a_change_touches(change: str) -> None:
    tour = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
    [paragraph] = re.findall(rf"\*\*{change}\.\*\*(.*?)\n\n", tour, re.DOTALL)
    files = set(re.findall(r"\]\(\.\./([^)]+)\)", paragraph))
    assert 1 <= len(files) <= 9
    assert all((ROOT / file).exists() for file in files)


def test_every_verb_that_a_document_shows_exists() -> None:
    from bootstrap.cli import VERBS

    shown = {
        verb
        for document in DOCUMENTS
        for verb in re.findall(r"\./guilder ([a-z][a-z-]*)", document.read_text(encoding="utf-8"))
    }
    assert {"up", "test"} <= shown
    assert shown <= set(VERBS)
