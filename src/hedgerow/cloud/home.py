"""Whose cloud this is: the one account and region that all services here serve."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Home:
    """The account (12 digits) and region that stand in every ARN of this cloud."""

    account: str
    region: str
