"""What is said over and over is said now and then, with how often."""

import logging

from processors.repeated_logs import OncePerWhile


def record(sentence: str, level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord("aiokafka", level, __file__, 1, sentence, ("node-1",), None)


def test_a_sentence_comes_through_once_in_a_while_with_its_count() -> None:
    now = 100.0
    calm = OncePerWhile(every_s=10, now_s=lambda: now)
    assert calm.filter(record("Unable connect to %s"))
    assert not calm.filter(record("Unable connect to %s"))
    assert not calm.filter(record("Unable connect to %s"))
    assert calm.filter(record("Failed fetch from %s")), "another sentence is another matter"
    assert calm.filter(record("Unable connect to %s", logging.INFO)), "no complaint"
    now = 110.0
    again = record("Unable connect to %s")
    assert calm.filter(again)
    assert again.getMessage() == "Unable connect to node-1 (and 2 times more)"
    now = 120.0
    later = record("Unable connect to %s")
    assert calm.filter(later)
    assert later.getMessage() == "Unable connect to node-1"
