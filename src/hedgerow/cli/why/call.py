"""`hedgerow why call`: a past call, or a past refused attempt of a device, out of the trail."""

import click

from hedgerow.cli.output import as_json, print_json
from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.why.attempted import attempt_steps
from hedgerow.cli.why.called import call_steps
from hedgerow.cli.why.path import Answer, Step, show
from hedgerow.cli.why.trail import Event, counted, event_of, is_attempt, is_count
from hedgerow.kernel import SystemClock


@click.command()
@click.argument("identifier", metavar="ID")
@as_json
def call(identifier: str, *, as_json: bool) -> None:
    """Say what became of a call or a device's attempt, and why.

    ID is the request id that the caller was told, or an event id of the trail; 'hedgerow why
    refusals' lists both. Needs the environment that 'hedgerow env' prints, and
    cloudtrail:LookupEvents.
    """
    api = CloudApi()
    event = event_of(api, identifier)
    if is_count(event):
        answer = Answer((_counted(event),))
    elif is_attempt(event):
        answer = Answer.of(attempt_steps(api, event, SystemClock()))
    else:
        answer = Answer.of(call_steps(api, event))
    if as_json:
        print_json({**answer.facts(), "event": event})
    else:
        show([answer], "Answered", "Refused")


def _counted(event: Event) -> Step:
    return Step(
        "record",
        passed=False,
        says=counted(event),
        code="only-counted",
        change="stop what tries so often: of each address, so many are recorded in a time",
    )
