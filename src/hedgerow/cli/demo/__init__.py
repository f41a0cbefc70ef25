"""`hedgerow demo`: the whole system on this machine, each promise tried and observed.

In comes a temporary folder; out come a narration, a table and an exit code. It uses public doors
only: the `hedgerow` command, boto3, and the two device SDKs that people already have. What must
never happen here: an observation that was not made, or a wait for time instead of for an event.
"""

from hedgerow.cli.demo.command import demo

__all__ = ["demo"]
