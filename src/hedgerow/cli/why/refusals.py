"""`hedgerow why refusals`: the newest refused calls and attempts, with the ids to ask about."""

from itertools import islice

import click

from hedgerow.cli.output import as_json, print_json
from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.why.trail import Event, id_of, refused, what, who

_DEFAULT = 20
_MOST = 1000


@click.command()
@click.option(
    "--last",
    default=_DEFAULT,
    show_default=True,
    type=click.IntRange(1, _MOST),
    help="How many.",
)
@as_json
def refusals(last: int, *, as_json: bool) -> None:
    """List what was refused last: calls of the API, and attempts of devices.

    Needs the environment that 'hedgerow env' prints, and cloudtrail:LookupEvents.
    """
    found = list(islice(refused(CloudApi()), last))
    if as_json:
        print_json([_facts(event) for event in found])
    elif found:
        for event in found:
            click.echo(_lines(_facts(event)))
        click.echo("\nAsk about one with: hedgerow why call ID")
    else:
        click.echo("Nothing was refused.")


def _facts(event: Event) -> dict[str, str]:
    return {
        "id": id_of(event),
        "time": event["eventTime"],
        "who": who(event),
        "what": what(event),
        "code": event.get("errorCode", event["eventName"]),
        "from": event["sourceIPAddress"],
    }


def _lines(facts: dict[str, str]) -> str:
    """Return one refusal for people, no line much wider than a terminal; an id is never broken."""
    whose = facts["who"].rpartition(":")[2]  # of an ARN, the last part says who it is
    return (
        f"{facts['time']}  {facts['what']}: {facts['code']}\n"
        f"    by {whose} from {facts['from']}\n"
        f"    id {facts['id']}"
    )
