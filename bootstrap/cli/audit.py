"""`guilder audit`: what is known to be wrong with the packages of the lock."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from bootstrap.cli.gate import REPOSITORY

OSV_URL: Final = "https://api.osv.dev/v1/query"
LONGEST_SILENCE_S: Final = 10
# What pip-audit's standard error shows when the service was not reached or did not answer as it should.
_NO_ANSWER: Final = re.compile(
    r"^(?:requests\.exceptions\.\w+|pip_audit\._service\.interface\.(?:Service|Connection)Error|ERROR:.*Could not connect)",
    re.MULTILINE,
)

app = typer.Typer(add_completion=False)


class Advisory(msgspec.Struct, frozen=True):
    """One known vulnerability; `fix_versions` are those without it."""

    id: str
    fix_versions: tuple[str, ...]
    aliases: tuple[str, ...] = ()


class AuditedPackage(msgspec.Struct, frozen=True):
    """One package of the lock and what is known against this version of it."""

    name: str
    version: str | None = None
    vulns: tuple[Advisory, ...] = ()
    skip_reason: str | None = None


class _Report(msgspec.Struct, frozen=True):
    dependencies: tuple[AuditedPackage, ...]


class NoAnswerError(Exception):
    """The advisory service could not be asked, so nothing is known of any package."""


class AuditFailedError(Exception):
    """The audit itself is broken: the lock cannot be read, or pip-audit does not run."""


def audited(lock: Path, osv_url: str, within_s: float) -> tuple[AuditedPackage, ...]:
    """Every package that `lock` pins on this platform, with its advisories; takes at most about `within_s` seconds.

    Raises:
        NoAnswerError: the service was not reached, did not answer in time, or not in its own words.
        AuditFailedError: anything else that left no report.
    """
    command = [str(Path(sys.executable).parent / "pip-audit"), "--requirement", str(lock), "--require-hashes"]
    command += ["--disable-pip", "--vulnerability-service", "osv", "--osv-url", osv_url]
    command += ["--timeout", str(LONGEST_SILENCE_S), "--progress-spinner", "off", "--format", "json"]
    try:
        ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=within_s)  # noqa: S603 - our own list
    except subprocess.TimeoutExpired:
        raise NoAnswerError(f"not every package was answered for within {within_s:g} s") from None
    return report_in(ran.stdout, ran.stderr)


def report_in(stdout: str, stderr: str) -> tuple[AuditedPackage, ...]:
    """What pip-audit found, or why it found nothing: it ends with 1 for a vulnerability and for a failure alike.

    Raises:
        NoAnswerError, AuditFailedError: as `audited` does.
    """
    try:
        return msgspec.json.decode(stdout, type=_Report).dependencies
    except msgspec.DecodeError:
        last = (stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
    raise NoAnswerError(last) if _NO_ANSWER.search(stderr) else AuditFailedError(last)


def show(packages: Sequence[AuditedPackage], console: Console) -> bool:
    """Show what was found, and say whether nothing is known against any package."""
    table = Table("package", "version", "advisory", "fixed in")
    skipped = [package for package in packages if package.skip_reason is not None]
    for package in packages:
        for advisory in package.vulns:
            names = ", ".join([advisory.id, *advisory.aliases])
            table.add_row(package.name, package.version, names, ", ".join(advisory.fix_versions) or "no version yet")
    for package in skipped:
        console.print(f"not audited: {package.skip_reason}", soft_wrap=True)
    if table.row_count:
        console.print(table)
        return False
    console.print(f"[green]✓[/green] nothing is known against {len(packages) - len(skipped)} packages")
    return True


@app.command()
def audit(
    lock: Annotated[Path, typer.Option(help="A requirements file with hashes.")] = REPOSITORY / "requirements.lock",
    osv_url: Annotated[str, typer.Option(help="Who is asked, in the words of osv.dev.")] = OSV_URL,
    within_s: Annotated[float, typer.Option(min=1, help="Seconds after which it gives up.")] = 180,
) -> None:
    """Ask an advisory service about every package of the lock. Known vulnerabilities fail; no answer is no verdict."""
    console, complaints = Console(highlight=False), Console(stderr=True, highlight=False)
    try:
        packages = audited(lock, osv_url, within_s)
    except NoAnswerError as error:
        complaints.print(f"[yellow]nothing was audited[/yellow]: no answer from {osv_url}", soft_wrap=True)
        complaints.print(str(error), markup=False, soft_wrap=True)
        return
    except AuditFailedError as error:
        complaints.print("[red]the audit failed[/red]", soft_wrap=True)
        complaints.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if not show(packages, console):
        raise typer.Exit(1)
