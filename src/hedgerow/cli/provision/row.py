"""A row of the subscription table, as a person gives it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """From whom, on which topic, to whom: things by name or ARN, or `cloud`."""

    source: str
    topic: str
    target: str
