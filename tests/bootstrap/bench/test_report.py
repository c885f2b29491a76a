"""What the report makes of the rounds."""

from io import StringIO
from threading import Barrier

import msgspec
import pytest
from rich.console import Console

from bootstrap.bench import BenchError, report, report_table
from bootstrap.bench.at_once import AtOnce
from bootstrap.bench.bench import take_turns
from bootstrap.bench.conditions import Conditions
from bootstrap.bench.flow_round import FlowRound
from bootstrap.bench.losses import Losses
from bootstrap.bench.row import Measured, Missing

CONDITIONS = Conditions(
    cores=2, memory_gib=8.0, load_1m=0.1, system="Linux", python="3.11", uvicorn="0.5", postgres="18", postgres_fsync="on",
    connections=64, generator="ours", rounds=3, seconds=1.0, lifecycles=10, fdatasync_p50_ms=0.3, fdatasync_p99_ms=1.0,
)  # fmt: skip


def rounds(*rates: float, busy: float = 0.2) -> list[Measured | Missing]:
    return [Measured(per_second=rate, p50_ms=1.0, p99_ms=7.5, generator_cpu=busy, server_cpu=0.9) for rate in rates]


def flow_round(ledger: float, psp: int = 0) -> FlowRound:
    return FlowRound(
        ledger_per_second=ledger, lag_p50_events=10, lag_max_events=ledger, lag_p50_ms=5, lag_max_ms=50, drain_ms=20,
        losses=Losses(payments=60, answers=0, events=0, ledger=0, psp=psp),
    )  # fmt: skip


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
        report.LIVE: [Measured(per_second=300.0)] * 3,
        report.FLOW: [Measured(per_second=rate, flow=flow_round(5 * rate)) for rate in (150.0, 140.0, 160.0)],
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


def test_the_table_shows_every_ratio_and_the_whole_flow(measured: dict[str, list[Measured | Missing]]) -> None:
    out = StringIO()
    report_table.show(Console(file=out, width=120, highlight=False), report.made(CONDITIONS, measured))
    text = out.getvalue()
    assert "there is no pgbench" in text
    assert text.count("not met") == 1
    assert "paced at 240/s, 230/s answered" in text
    assert "p99 7.50 ms (goal p99 ≤ 6 ms: 1.25 × that)" in text
    assert "generator was busy" in text
    assert "of 180 payments none lost or doubled" in text
    assert "150 payments/s, 750 ledger transactions/s (goal 1,000: 25% short)" in text


@pytest.mark.parametrize(("load", "said"), [(0.1, False), (0.5, False), (0.6, True)])
def test_a_machine_that_was_busy_is_no_judge(
    measured: dict[str, list[Measured | Missing]], load: float, said: bool
) -> None:
    out = StringIO()
    conditions = msgspec.structs.replace(CONDITIONS, load_1m=load)
    report_table.show(Console(file=out, width=120, highlight=False), report.made(conditions, measured))
    assert ("no verdict on the code" in out.getvalue()) is said


def test_the_json_reads_back_as_the_report(measured: dict[str, list[Measured | Missing]]) -> None:
    whole = report.made(CONDITIONS, measured)
    assert msgspec.json.decode(msgspec.json.encode(whole), type=report.Report) == whole


def test_the_flow_is_its_median_round_its_worst_lag_and_every_loss(
    measured: dict[str, list[Measured | Missing]],
) -> None:
    flow = report.made(CONDITIONS, measured).flow
    assert flow is not None
    assert (flow.payments_per_second, flow.ledger_per_second, flow.short_of_goal) == (150, 750, 0.25)
    assert (flow.lag_max_events, flow.payments, flow.losses) == (800, 180, 0)

    measured[report.FLOW][1] = Measured(per_second=140, flow=flow_round(700, psp=2))
    whole = report.made(CONDITIONS, measured)
    assert whole.flow is not None
    assert whole.flow.losses == 2
    out = StringIO()
    report_table.show(Console(file=out, width=120, highlight=False), whole)
    assert "2 LOST OR DOUBLED" in out.getvalue()


def test_rows_that_were_not_chosen_leave_out_what_is_about_them(measured: dict[str, list[Measured | Missing]]) -> None:
    whole = report.made(CONDITIONS, {name: measured[name] for name in (report.CREATE, report.AUTHORIZE)})
    assert [(one.work, one.against) for one in whole.ratios] == [(report.AUTHORIZE, report.CREATE)]
    assert (whole.latency, whole.flow) == (None, None)
    out = StringIO()
    report_table.show(Console(file=out, width=120, highlight=False), whole)
    assert "whole flow" not in out.getvalue()


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


def test_rows_that_are_measured_at_once_share_a_round() -> None:
    met = Barrier(2, timeout=10)
    measured: list[tuple[str, int]] = []

    class Meeting:
        """Goes on only while the other is measured too."""

        def __init__(self, name: str) -> None:
            self.name = name

        def measure(self, number: int) -> Measured:
            met.wait()
            measured.append((self.name, number))
            return Measured(per_second=len(self.name) + number)

    together = AtOnce([Meeting("a"), Meeting("bb")])
    rounds = take_turns([together.part("bb"), together.part("a")], 2)
    assert rounds == {
        "bb": [Measured(per_second=2), Measured(per_second=3)],
        "a": [Measured(per_second=1), Measured(per_second=2)],
    }
    assert sorted(measured) == [("a", 0), ("a", 1), ("bb", 0), ("bb", 1)]


def test_one_that_fails_fails_all_that_are_measured_with_it() -> None:
    class Failing:
        name = "a"

        def measure(self, _number: int) -> Measured:
            raise BenchError("no answer")

    with pytest.raises(BenchError, match="no answer"):
        AtOnce([Failing()]).part("a").measure(0)
