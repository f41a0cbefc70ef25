"""The policies and requests that decisions are measured with, here and by peers alike.

Every fifth statement has a condition, every tenth denies, every fourth has two resources; actions
are five, resources differ in each statement. Three requests in four name a resource of some
statement, one in four none. `salt` makes documents that were not seen before, `number` requests.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hedgerow.policy import AccessRequest, Context, connection_variables, context

IOT = "arn:aws:iot:us-east-1:111122223333:"
ACTIONS = (
    "iot:Publish",
    "iot:Subscribe",
    "iot:Connect",
    "iot:Receive",
    "greengrass:GetDeployment",
)
FACTS = context(
    {
        "aws:PrincipalTag/team": "blue",
        "aws:PrincipalArn": "arn:aws:iam::111122223333:user/alice",
        "aws:SourceIp": "203.0.113.7",
        "aws:username": "alice",
        "aws:SecureTransport": "true",
    }
)


@dataclass(frozen=True, slots=True)
class Case:
    """So many policies of so many statements each."""

    policies: int
    statements: int
    wanted_unseen: int
    wanted_repeated: int
    wanted_cold: int

    def __str__(self) -> str:
        return f"{self.policies} x {self.statements} statements"


CASES = (
    Case(1, 5, wanted_unseen=400_000, wanted_repeated=1_200_000, wanted_cold=30_000),
    Case(10, 10, wanted_unseen=120_000, wanted_repeated=1_200_000, wanted_cold=2_000),
    Case(1, 500, wanted_unseen=50_000, wanted_repeated=1_200_000, wanted_cold=300),
)


def documents(case: Case, salt: str = "") -> list[str]:
    """Return the texts of a case's policies."""
    numbers = iter(range(case.policies * case.statements))
    return [
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [_statement(next(numbers), salt) for _ in range(case.statements)],
            }
        )
        for _ in range(case.policies)
    ]


def requests(case: Case, count: int, *, first: int = 0) -> list[AccessRequest]:
    """Return requests, each another; with another `first`, all are others again."""
    chance = random.Random(first)  # noqa: S311 - which statements are asked for, not a secret
    made: list[AccessRequest] = []
    for number in range(first, first + count):
        statement = chance.randrange(case.policies * case.statements)
        topic = f"site/{statement}/{number}/x" if number % 4 else f"elsewhere/{number}"
        made.append(AccessRequest(_action(statement), f"{IOT}topic/{topic}", FACTS))
    return made


def fleet_document() -> str:
    """Return the policy that all devices of a fleet share."""
    thing = "${iot:Connection.Thing.ThingName}"
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": "iot:Connect", "Resource": f"{IOT}client/{thing}"},
                {
                    "Effect": "Allow",
                    "Action": ["iot:Publish", "iot:Receive"],
                    "Resource": f"{IOT}topic/site/{thing}/*",
                },
                {
                    "Effect": "Allow",
                    "Action": "iot:Subscribe",
                    "Resource": f"{IOT}topicfilter/site/{thing}/*",
                },
            ],
        }
    )


def fleet(size: int) -> list[Context]:
    """Return the variables of so many connections."""
    return [
        connection_variables(
            client_id=f"lamp-{number}",
            thing_name=f"lamp-{number}",
            certificate_id=f"{number:064x}",
            attached=True,
        )
        for number in range(size)
    ]


def fleet_requests(connections: list[Context], count: int, *, first: int) -> list[AccessRequest]:
    """Return publications of the connections in turn, each on another topic."""
    return [
        AccessRequest(
            "iot:Publish",
            f"{IOT}topic/site/lamp-{number % len(connections)}/{number}",
            connections[number % len(connections)],
        )
        for number in range(first, first + count)
    ]


def hard_patterns(room: int) -> Iterator[str]:
    """Return resources that are as long as a policy can hold and hard to match."""
    units = ("*", "*?", "*a", "*a?", "?*", "*??a", "*aa", "?", "*ab?", "*????????a", "${*}*")
    for unit in units:
        prefix = f"{IOT}topic/"
        yield prefix + unit * ((room - len(prefix)) // len(unit))


def _statement(number: int, salt: str) -> dict[str, Any]:
    action = _action(number)
    resource = f"{IOT}topic/site{salt}/{number}/*" + ("" if number % 2 else "/x")
    statement: dict[str, Any] = {
        "Effect": "Deny" if number % 10 == 9 else "Allow",
        "Action": [action, "iot:RetainPublish"] if number % 3 else action,
        "Resource": resource if number % 4 else [resource, f"{IOT}topic/other{salt}/{number}"],
    }
    if number % 5 == 0:
        statement["Condition"] = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
    return statement


def _action(number: int) -> str:
    return ACTIONS[number % len(ACTIONS)]
