"""`hedgerow why`: explain an authorization, without a guess of its own.

In come names; out goes the answer of the very rooms that decide at run time: which row, which
statement, or what is missing.
"""

from hedgerow.cli.entry import LazyGroup, Place

_ROOM = "hedgerow.cli.why"

why = LazyGroup(
    name="why",
    help="Explain an authorization: which row, which statement, or what is missing.",
    places=(
        Place("device", f"{_ROOM}.device", "A device in the cloud: how far its request gets."),
        Place("message", f"{_ROOM}.message", "A message on a core: which row lets it pass."),
        Place("deployment", f"{_ROOM}.deployment", "A core: why it runs what it runs."),
        Place("access", f"{_ROOM}.access", "An IAM user or role: which policy decides."),
        Place("role", f"{_ROOM}.role", "A role: may a service, a user or a role assume it."),
        Place("refusals", f"{_ROOM}.refusals", "What was refused last, with the ids of each."),
        Place("call", f"{_ROOM}.call", "A past call or attempt: what became of it, and why."),
    ),
)

__all__ = ["why"]
