"""`guilder status` for people: what runs, how far everything is behind the log, and what is wrong in words."""

from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bootstrap.cli.complaints import duration


class StatusView:
    """One look at an installation; `found` is what `--json` says, `rates` events a second by follower and `log`."""

    def __init__(self, found: dict[str, Any], rates: dict[str, float] | None = None) -> None:
        self._found = found
        self._rates = rates

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> RenderResult:
        """The view, as Rich asks for it."""
        yield self._processes()
        if self._found["backlog"] is not None:
            yield Text()
            yield self._followers(self._found["backlog"])
        yield Text()
        for name in ("api", "postgres_dsn", "kafka_bootstrap", "psp_simulator"):
            yield Text(f"{name:<16} {self._found[name]}")
        demo = self._found["demo"]
        if demo is not None:
            yield Text(f"{'demo merchant':<16} {demo['merchant_id']}  {demo['api_key']}")
        yield Text()
        if not self._found["problems"]:
            yield Text("all is well", style="green")
        for problem in self._found["problems"]:
            yield Text.from_markup(f"[red]●[/red] {escape(problem)}")

    def _processes(self) -> Table:
        table = Table("process", "pid", "health", "health URL", box=None)
        for process in self._found["processes"]:
            health = "[green]healthy[/green]" if process["healthy"] else "[red]not healthy[/red]"
            table.add_row(process["name"], str(process["pid"]), health, process["health_url"] or "")
        return table

    def _followers(self, backlog: dict[str, Any]) -> Table:
        table = Table("follower", box=None)
        for heading in ("events behind", "oldest waits", "halted shards", *(["events/s"] if self._rates else [])):
            table.add_column(heading, justify="right")
        for name, behind in backlog["followers"].items():
            halted = ", ".join(str(each["shard"]) for each in backlog["halted"] if each["projection"] == name)
            row = [name, f"{behind['events']:,}", duration(behind["seconds"]), halted or "none"]
            if self._rates:
                row.append(f"{self._rates.get(name, 0):,.0f}")
            table.add_row(*row)
        steps = ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in backlog["steps"].items() if count)
        table.caption = f"saga steps: {steps or 'none open'}; open cases: {backlog['open_cases']['count']:,}"
        table.caption_justify = "left"
        if self._rates:
            table.caption += f"; the log grows by {self._rates['log']:,.0f} events/s"
        return table
