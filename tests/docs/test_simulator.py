"""docs/simulator.md lists every scenario that the simulator knows, with the amount that asks for it."""

import re
from pathlib import Path

from bootstrap.psp_simulator.declines import DECLINES
from bootstrap.psp_simulator.scenarios import BY_AMOUNT, SCENARIOS

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \|.*\| (\d*) \|$", PAGE, re.MULTILINE))
OF_DECLINES = {
    code: amount for code, amount in re.findall(r"`(\w+)`(?:\s*\((?:amount )?(\d+)\))?[,.]", PAGE) if code in DECLINES
}


def test_every_scenario_is_told() -> None:
    assert ROWS.keys() == SCENARIOS.keys() - DECLINES.keys()
    assert OF_DECLINES.keys() == DECLINES.keys()


def test_amounts_ask_for_what_the_page_says() -> None:
    told = {int(amount): name for name, amount in (ROWS | OF_DECLINES).items() if amount}
    assert told == BY_AMOUNT
