"""Keeping the log readable while Kafka is away: its client says the same ten times a second, for as long as it lasts."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Final

CLIENT_LOGGERS: Final = (
    "aiokafka",
    "aiokafka.conn",
    "aiokafka.client",
    "aiokafka.cluster",
    "aiokafka.producer.sender",
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.group_coordinator",
)
EVERY_S: Final = 10.0


class OncePerWhile(logging.Filter):
    """Lets a sentence through once in `every_s` seconds, whatever it is about, with how often it was held back."""

    def __init__(self, *, every_s: float = EVERY_S, now_s: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._every_s = every_s
        self._now_s = now_s
        self._said: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it; what is informative only (below a warning) always is."""
        if record.levelno < logging.WARNING:
            return True
        sentence, now = str(record.msg), self._now_s()
        since, held_back = self._said.get(sentence, (now - self._every_s, 0))
        if now - since < self._every_s:
            self._said[sentence] = since, held_back + 1
            return False
        self._said[sentence] = now, 0
        if held_back:
            record.msg = f"{record.msg} (and {held_back} times more)"
        return True


def calm_the_client() -> None:
    """Have Kafka's client repeat itself less. Calling it again changes nothing."""
    for name in CLIENT_LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, OncePerWhile) for each in logger.filters):
            logger.addFilter(OncePerWhile())
