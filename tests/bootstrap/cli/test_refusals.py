"""Which errors the command line says in one sentence."""

from importlib import import_module
from typing import Any

import pytest

from bootstrap import cli
from bootstrap.cli.refusals import EXPECTED, refusal_in
from bootstrap.local_stack.servers import ServerFailedError
from event_store import WrongNumberOfShards
from migrations import migrate
from processors.topics import TopicMismatch


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_expected_refusal_is_a_class_that_is_there(name: str) -> None:
    module, _, kind = name.rpartition(".")
    assert issubclass(getattr(import_module(module), kind), Exception)


def test_a_kind_of_a_refusal_is_one_and_a_defect_is_none() -> None:
    assert refusal_in(ServerFailedError("no room")) == "no room"
    assert refusal_in(ValueError("a defect")) is None


def test_what_a_task_group_has_wrapped_is_unwrapped_unless_a_defect_is_among_it() -> None:
    refused = [WrongNumberOfShards("16 are there"), TopicMismatch("8 partitions")]
    assert refusal_in(ExceptionGroup("parts", refused)) == "16 are there; 8 partitions"
    assert refusal_in(ExceptionGroup("parts", [*refused, ValueError("a defect")])) is None


def run_main(monkeypatch: pytest.MonkeyPatch, error: Exception) -> Any:
    def verb(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "application", verb)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_a_refusal_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = WrongNumberOfShards("the installation has [16] shards, 8 are configured")
    assert run_main(monkeypatch, error) == 1
    assert capsys.readouterr().err == "guilder: the installation has [16] shards, 8 are configured\n"


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="a defect"):
        run_main(monkeypatch, ValueError("a defect"))


async def test_another_number_of_shards_is_such_a_refusal(empty_database: str) -> None:
    await migrate(empty_database, shards=2)
    with pytest.raises(Exception, match="2 shards for good") as refused:
        await migrate(empty_database, shards=3)
    assert refusal_in(refused.value) == "this installation has 2 shards for good; 3 were asked for"
