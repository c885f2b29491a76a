"""The conditions of one query, only those that apply, so that PostgreSQL can plan with the index that serves them."""

from typing import Any


class Conditions:
    """Collects conditions and their arguments; `{}` in a condition stands for its argument's number."""

    def __init__(self, *arguments: Any) -> None:
        self._texts: list[str] = []
        self.arguments: list[Any] = list(arguments)

    def argument(self, value: Any) -> str:
        """The placeholder of one more argument."""
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    def add(self, condition: str, *values: Any) -> None:
        """Ask for `condition`."""
        self._texts.append(condition.format(*[self.argument(value) for value in values]))

    def add_given(self, condition: str, value: Any) -> None:
        """Ask for `condition` if there is a value."""
        if value is not None:
            self.add(condition, value)

    def __str__(self) -> str:
        return " AND ".join(self._texts) or "true"
