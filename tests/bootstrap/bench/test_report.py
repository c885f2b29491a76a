"""What the report makes of the rounds."""

from io import StringIO

import msgspec
import pytest
from rich.console import Console

from bootstrap.bench import report
from bootstrap.bench.bench import take_turns
from bootstrap.bench.conditions import Conditions
from bootstrap.bench.row import Measured, Missing

CONDITIONS = Conditions(
    cores=2, memory_gib=8.0, load_1m=0.1, system="Linux", python="3.11", uvicorn="0.5", postgres="18", postgres_fsync="on",
    connections=64, generator="ours", rounds=3, seconds=1.0, lifecycles=10, fdatasync_p50_ms=0.3, fdatasync_p99_ms=1.0,
)  # fmt: skip


def rounds(*rates: float, busy: float = 0.2) -> list[Measured | Missing]:
    return [Measured(per_second=rate, p50_ms=1.0, p99_ms=7.5, generator_cpu=busy, server_cpu=0.9) for rate in rates]


@pytest.fixture
def measured() -> dict[str, list[Measured | Missing]]:
    return {
        report.ECHO: rounds(1000, 2000, 1000, busy=0.81),
        report.CREATE: rounds(400, 800, 300),
        report.SINGLE: rounds(100, 100, 100),
        report.AUTHORIZE: rounds(200, 400, 150),
        report.BALANCE: rounds(900, 1800, 900),
        report.PGBENCH: [Missing("there is no pgbench")] * 3,
        report.REBUILD: [Measured(per_second=1600.0)] * 3,
        report.OBSERVED: rounds(380, 760, 290),
        report.UNOBSERVED: rounds(400, 800, 300),
        report.PACED: [msgspec.structs.replace(one, asked_per_second=240.0) for one in rounds(200, 240, 230)],
    }


def made(measured: dict[str, list[Measured | Missing]]) -> dict[tuple[str, str], report.Ratio]:
    return {(one.work, one.against): one for one in report.made(CONDITIONS, measured).ratios}


def test_ratios_are_medians_of_rounds_and_say_what_is_met(measured: dict[str, list[Measured | Missing]]) -> None:
    ratios = made(measured)
    over_echo = ratios[report.CREATE, report.ECHO]
    assert (over_echo.value, over_echo.rounds, over_echo.met) == (0.4, (0.4, 0.4, 0.3), True)
    assert over_echo.short_of_goal == pytest.approx((0.45 - 0.4) / 0.45)
    authorize = ratios[report.AUTHORIZE, report.CREATE]
    assert (authorize.value, authorize.met) == (0.5, False)
    assert ratios[report.BALANCE, report.ECHO].short_of_goal == 0
    assert ratios[report.CREATE, report.SINGLE].value == 4
    assert ratios[report.REBUILD, report.CREATE].rounds == (4.0, 2.0, 1600 / 300)


def test_a_row_that_could_not_be_measured_says_why_instead(measured: dict[str, list[Measured | Missing]]) -> None:
    missing = made(measured)[report.CREATE, report.PGBENCH]
    assert (missing.value, missing.met, missing.missing) == (None, None, "there is no pgbench")


def test_a_busy_generator_is_named(measured: dict[str, list[Measured | Missing]]) -> None:
    figures = {figure.name: figure for figure in report.made(CONDITIONS, measured).figures}
    assert figures[report.ECHO].generator_was_busy
    assert not figures[report.CREATE].generator_was_busy


def test_the_table_shows_every_ratio_and_what_is_not_there_yet(measured: dict[str, list[Measured | Missing]]) -> None:
    out = StringIO()
    report.show(Console(file=out, width=120, highlight=False), report.made(CONDITIONS, measured))
    text = out.getvalue()
    assert "there is no pgbench" in text
    assert text.count("not met") == 1
    assert "paced at 240/s, 230/s answered" in text
    assert "p99 7.50 ms (goal p99 ≤ 6 ms: 1.25 × that)" in text
    assert "generator was busy" in text
    for name in report.NOT_MEASURED:
        assert f"not measured yet: {name}" in text


@pytest.mark.parametrize(("load", "said"), [(0.1, False), (0.5, False), (0.6, True)])
def test_a_machine_that_was_busy_is_no_judge(
    measured: dict[str, list[Measured | Missing]], load: float, said: bool
) -> None:
    out = StringIO()
    conditions = msgspec.structs.replace(CONDITIONS, load_1m=load)
    report.show(Console(file=out, width=120, highlight=False), report.made(conditions, measured))
    assert ("no verdict on the code" in out.getvalue()) is said


def test_the_json_reads_back_as_the_report(measured: dict[str, list[Measured | Missing]]) -> None:
    whole = report.made(CONDITIONS, measured)
    assert msgspec.json.decode(msgspec.json.encode(whole), type=report.Report) == whole


def test_rows_take_turns() -> None:
    order: list[tuple[str, int]] = []

    class Noted:
        def __init__(self, name: str) -> None:
            self.name = name

        def measure(self, number: int) -> Measured:
            order.append((self.name, number))
            return Measured(per_second=float(number))

    measured = take_turns([Noted("a"), Noted("b")], 2)
    assert order == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert measured["b"] == [Measured(per_second=0.0), Measured(per_second=1.0)]
