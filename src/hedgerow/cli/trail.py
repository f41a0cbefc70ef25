"""`hedgerow trail verify` and `hedgerow trail key`: prove that the record is as delivered."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from rich.console import Console
from rich.progress import Progress

from hedgerow.cli.options import data_option
from hedgerow.cli.output import as_json, print_json
from hedgerow.cloud.cloudtrail.keys import PUBLIC_KEY_FILE, fingerprint
from hedgerow.cloud.cloudtrail.verification import Question, Report, verify_folder
from hedgerow.kernel import ConfigurationError, SystemClock

trail = click.Group(name="trail", help="The record of calls: prove that it is unchanged.")


class Moment(click.ParamType[datetime]):
    """A moment in ISO 8601; without a zone it is UTC."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read a moment."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time, such as 2026-10-07T12:00:00Z", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@trail.command("verify")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--public-key",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The cloud's public key, as `hedgerow trail key` printed it.",
)
@click.option("--account", metavar="ID", help="Only the files of this account.")
@click.option("--start", type=Moment(), help="Only digests that end after this.")
@click.option("--end", type=Moment(), help="The moment the record has to reach (default: now).")
@click.option("--head", metavar="HASH", help="A head noted earlier: the record must come to it.")
@as_json
def verify(
    folder: Path,
    public_key: Path,
    account: str | None,
    start: datetime | None,
    end: datetime | None,
    head: str | None,
    *,
    as_json: bool,
) -> None:
    """Verify delivered files: offline, with the public key alone.

    FOLDER holds what a trail delivered (the bucket's folder, or a copy of it from anywhere). Says
    what was changed, is missing, was swapped, cut off or put back, and ends with exit code 1 then.
    """
    question = Question(as_of=end or SystemClock().now(), account=account, start=start, head=head)
    with _bar("Verifying digests") as told:
        report = verify_folder(folder, read_public_key(public_key), question, progress=told)
    if as_json:
        print_json(_facts(report))
    else:
        _show(report)
    if not report.intact:
        raise click.exceptions.Exit(1)


@trail.command("key")
@data_option
@as_json
def key(data: Path, *, as_json: bool) -> None:
    """Print the public key that digests are verified with. Keep a copy away from the cloud."""
    path = data / "trail" / PUBLIC_KEY_FILE
    public = read_public_key(path)
    if as_json:
        print_json({"publicKey": path.read_text(), "fingerprint": fingerprint(public)})
    else:
        click.echo(path.read_text(), nl=False)


def read_public_key(path: Path) -> rsa.RSAPublicKey:
    """Read an RSA public key in PEM form, or raise `ConfigurationError`."""
    try:
        public = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the public key {path}: {error.strerror}; a cloud makes it when it is "
            "first run"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{path} is not a public key in PEM form") from error
    if not isinstance(public, rsa.RSAPublicKey):
        raise ConfigurationError(f"{path} is not an RSA key; digests are signed with RSA")
    return public


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far it is, on a terminal; it disappears when it is done."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _show(report: Report) -> None:
    for finding in report.findings:
        _print_line(str(finding))
    for note in report.notes:
        _print_line(f"note: {note}")
    click.echo(
        f"{report.digests} digests, {report.files} files and {report.records} records verified: "
        + ("all as they were delivered." if report.intact else f"findings: {len(report.findings)}.")
    )
    for end in report.ends:
        state = "logging was stopped" if end.stopped else "more is to come"
        click.echo(
            f"{end.account} {end.trail}: up to {end.ends_at:%Y-%m-%dT%H:%M:%SZ}, record "
            f"{end.position}, head {end.head} ({state})"
        )


def _print_line(text: str) -> None:
    """Print what names files: a terminal must not obey what somebody put into a file's name."""
    click.echo(text if text.isprintable() else text.encode("unicode_escape").decode("ascii"))


def _facts(report: Report) -> dict[str, object]:
    return {
        "intact": report.intact,
        "findings": [
            {"kind": found.kind, "where": found.where, "what": found.what}
            for found in report.findings
        ],
        "notes": list(report.notes),
        "digests": report.digests,
        "files": report.files,
        "records": report.records,
        "ends": [
            {
                "account": end.account,
                "region": end.region,
                "trail": end.trail,
                "endsAt": end.ends_at.isoformat(),
                "record": end.position,
                "head": end.head,
                "stopped": end.stopped,
            }
            for end in report.ends
        ],
    }
