"""Whose a set of rooms is: each account of the cloud has rooms of its own."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Home:
    """The account (12 digits) and region that stand in every ARN of these rooms."""

    account: str
    region: str
