"""The topics of jobs, as AWS's guide lists them."""

import pytest

from hedgerow.contract.job_topics import (
    JobTopic,
    jobs_notice_topic,
    next_job_notice_topic,
    parse_job_topic,
)

BASE = "$aws/things/gate:1/jobs"


@pytest.mark.parametrize(
    ("topic", "parsed"),
    [
        (f"{BASE}/get", JobTopic("gate:1", "get")),
        (f"{BASE}/start-next", JobTopic("gate:1", "start-next")),
        (f"{BASE}/j_1-x/get", JobTopic("gate:1", "describe", "j_1-x")),
        (f"{BASE}/$next/get", JobTopic("gate:1", "describe", "$next")),
        (f"{BASE}/j1/update", JobTopic("gate:1", "update", "j1")),
        (f"{BASE}/get/get", JobTopic("gate:1", "describe", "get")),
        (f"{BASE}/get/accepted", JobTopic("gate:1", "get", "", "accepted")),
        (f"{BASE}/j1/update/rejected", JobTopic("gate:1", "update", "j1", "rejected")),
    ],
)
def test_requests_and_answers_are_read_and_printed(topic: str, parsed: JobTopic) -> None:
    assert parse_job_topic(topic) == parsed
    assert str(parsed) == topic


@pytest.mark.parametrize(
    "topic",
    [
        BASE,
        f"{BASE}/",
        f"{BASE}/notify",
        f"{BASE}/notify-next",
        f"{BASE}/j1",
        f"{BASE}/j1/cancel",
        f"{BASE}/j1/get/",
        f"{BASE}/j1/get/accepted/x",
        f"{BASE}/j.1/get",
        f"{BASE}/{'j' * 65}/get",
        f"{BASE}/$last/get",
        f"{BASE}/get\n",
        "$aws/things//jobs/get",
        "$aws/things/a b/jobs/get",
        "$aws/things/gate/shadow/get",
        "aws/things/gate/jobs/get",
    ],
)
def test_other_topics_are_none_of_these(topic: str) -> None:
    assert parse_job_topic(topic) is None


def test_where_a_thing_is_told() -> None:
    assert jobs_notice_topic("gate") == "$aws/things/gate/jobs/notify"
    assert next_job_notice_topic("gate") == "$aws/things/gate/jobs/notify-next"
