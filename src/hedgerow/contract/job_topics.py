"""The reserved topics of jobs: what devices ask on, are answered on, and are told on.

Source: AWS IoT Core Developer Guide, "Reserved topics", Job topics.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

JobVerb = Literal["get", "start-next", "describe", "update"]
"""`get` is GetPendingJobExecutions; the topic of `describe` ends in `get` too, behind an id."""

JobEvent = Literal["", "accepted", "rejected"]

NEXT_JOB: Final = "$next"
"""What stands for a job's id where the next pending execution is meant."""

_VERBS: Final[Mapping[tuple[str, str], JobVerb]] = {
    ("get", ""): "get",
    ("start-next", ""): "start-next",
    ("", "get"): "describe",
    ("", "update"): "update",
}
_EVENTS: Final[Mapping[str, JobEvent]] = {
    "": "",
    "accepted": "accepted",
    "rejected": "rejected",
}
_TOPIC: Final = re.compile(
    r"\$aws/things/(?P<thing>[a-zA-Z0-9:_-]{1,128})/jobs/"
    r"(?:(?P<all>get|start-next)|(?P<job>[a-zA-Z0-9_-]{1,64}|\$next)/(?P<one>get|update))"
    r"(?:/(?P<event>accepted|rejected))?"
)


@dataclass(frozen=True, slots=True)
class JobTopic:
    """A topic that a device asks on, or (with an `event`) is answered on.

    `job_id` is empty where no job is named.
    """

    thing_name: str
    verb: JobVerb
    job_id: str = ""
    event: JobEvent = ""

    def __str__(self) -> str:
        last = "get" if self.verb == "describe" else self.verb
        middle = f"{self.job_id}/{last}" if self.job_id else last
        base = f"$aws/things/{self.thing_name}/jobs/{middle}"
        return f"{base}/{self.event}" if self.event else base


def parse_job_topic(topic: str) -> JobTopic | None:
    """Return the parts of a topic of a request or its answer, or None for any other topic."""
    found = _TOPIC.fullmatch(topic)
    if found is None:
        return None
    verb = _VERBS[found["all"] or "", found["one"] or ""]
    return JobTopic(found["thing"], verb, found["job"] or "", _EVENTS[found["event"] or ""])


def jobs_notice_topic(thing_name: str) -> str:
    """Return where a thing is told that its list of pending executions has changed."""
    return f"$aws/things/{thing_name}/jobs/notify"


def next_job_notice_topic(thing_name: str) -> str:
    """Return where a thing is told that another execution is next."""
    return f"$aws/things/{thing_name}/jobs/notify-next"
