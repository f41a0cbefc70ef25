"""`hedgerow why`: explain an authorization, without a guess of its own.

In come names; out goes the answer of the very rooms that decide at run time: which row, which
statement, or what is missing.
"""

from hedgerow.cli.entry import LazyGroup, Place

why = LazyGroup(
    name="why",
    help="Explain an authorization: which row, which statement, or what is missing.",
    places=(
        Place(
            "message", "hedgerow.cli.why.message", "A message on a core: which row lets it pass."
        ),
        Place("device", "hedgerow.cli.why.device", "A device in the cloud: which policy decides."),
    ),
)

__all__ = ["why"]
