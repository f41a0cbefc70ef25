"""ARNs follow to the new account and region, and never reach further than they did."""

import pytest

from hedgerow.estate import Origin
from hedgerow.estate.relocation import mover

OLD = Origin(account="111122223333", region="us-west-2")
NEW = Origin(account="444455556666", region="eu-west-1")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "arn:aws:iot:us-west-2:111122223333:thing/a",
            "arn:aws:iot:eu-west-1:444455556666:thing/a",
        ),
        ("arn:aws:iot:*:111122223333:topic/*", "arn:aws:iot:*:444455556666:topic/*"),
        ("arn:aws:iot:us-west-2:*:topic/a", "arn:aws:iot:eu-west-1:*:topic/a"),
        ("arn:aws:iam::111122223333:role/r", "arn:aws:iam::444455556666:role/r"),
        ("arn:aws-cn:iot:us-west-2:111122223333:a/b", "arn:aws:iot:eu-west-1:444455556666:a/b"),
        (
            "arn:aws:iot:us-west-2:111122223333:topic/${iot:Connection.Thing.ThingName}",
            "arn:aws:iot:eu-west-1:444455556666:topic/${iot:Connection.Thing.ThingName}",
        ),
        (
            "cores/arn%3Aaws%3Aiot%3Aus-west-2%3A111122223333%3Athing%2Fa",
            "cores/arn%3Aaws%3Aiot%3Aeu-west-1%3A444455556666%3Athing%2Fa",
        ),
        (
            "arn:aws:greengrass:us-west-2::/connectors/SNS/versions/1",
            "arn:aws:greengrass:eu-west-1::/connectors/SNS/versions/1",
        ),
    ],
)
def test_an_arn_of_the_old_account_or_region_follows(before: str, after: str) -> None:
    assert mover(OLD, NEW)(before) == after


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:iot:us-west-2:999999999999:thing/a",
        "arn:aws:iot:ap-south-1:111122223333:thing/a",
        "arn:aws:s3:::bucket/111122223333",
        "arn:aws:iot:*:*:topic/*",
        "*",
        "111122223333",
        "plant/us-west-2/111122223333",
    ],
)
def test_anything_else_stays(text: str) -> None:
    assert mover(OLD, NEW)(text) == text
