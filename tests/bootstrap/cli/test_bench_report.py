"""What the benches have in common: they measure where they are told to, or say why they did not."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import typer

from bootstrap.bench import BenchError
from bootstrap.cli.bench_report import keep, measured


class Made(msgspec.Struct):
    place: str


def test_it_measures_the_folder_that_was_named_or_the_installations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUILDER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert measured(Path("here"), lambda place, _progress: Made(str(place))).place == str(tmp_path / "here")
    assert measured(None, lambda place, _progress: Made(str(place))).place == str(tmp_path / "home")


def test_what_would_not_mean_what_it_says_is_told_and_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(_place: Path, _progress: Callable[[str], None]) -> Made:
        raise BenchError("there is no row creat")

    with pytest.raises(typer.Exit) as ended:
        measured(Path(), fails)
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err.strip() == "✗ there is no row creat"


def test_a_report_is_kept_where_a_file_was_named(tmp_path: Path) -> None:
    keep(Made("x"), None)
    assert list(tmp_path.iterdir()) == []
    keep(Made("x"), tmp_path / "report.json")
    assert (tmp_path / "report.json").read_text() == '{\n  "place": "x"\n}\n'
