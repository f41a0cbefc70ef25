"""Requests about jobs over MQTT: taken from the broker, answered on the request's own topics.

The topics name the thing, and policies judge who may publish on them; an answer goes to the client
that asked, if it has subscribed to it and may receive it.
Source: AWS IoT Core Developer Guide, "Jobs device MQTT API".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
import structlog

from hedgerow.cloud.broker.thing_requests import ThingRequests
from hedgerow.cloud.jobs import (
    AskDescribe,
    AskPending,
    AskStart,
    AskUpdate,
    JobDesk,
    JobError,
    read_json,
    state_shown,
    token_in,
    with_plain_document,
)
from hedgerow.contract.job_topics import JobEvent, JobTopic, parse_job_topic
from hedgerow.kernel import HedgerowError
from hedgerow.mqtt import Message, Source

_TOO_MANY: Final = JobError("RequestThrottled", "Too many requests; try again later.")
_BROKEN: Final = JobError("InternalError", "The request failed; try again later.")
_LOG = structlog.get_logger("hedgerow.cloud.broker.job_requests")

Members = Mapping[str, Any]
Answer = Callable[[Source, str, bytes], None]
"""Publishes an answer on a topic, for who asked alone."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What was asked, and by whom."""

    topic: JobTopic
    asker: Source
    payload: bytes = field(repr=False)


class JobRequests:
    """Answers requests in the order they came, one after the other."""

    def __init__(self, desk: JobDesk, answer: Answer) -> None:
        self._desk = desk
        self._publish = answer
        self._requests = ThingRequests[_Request]("job requests", self._answer, self._turn_away)

    async def start(self) -> None:
        """Begin to answer."""
        await self._requests.start()

    async def stop(self) -> None:
        """Stop answering; what waits is dropped, as at a restart."""
        await self._requests.stop()

    def take(self, message: Message) -> None:
        """Take a message on a request topic (a `Tap`); a will is none."""
        topic = parse_job_topic(message.topic)
        if topic is not None and not topic.event and not message.is_will:
            request = _Request(topic, message.source, message.payload)
            self._requests.put(topic.thing_name, request)

    def _turn_away(self, request: _Request) -> None:
        self._reject(request, _TOO_MANY)

    async def _answer(self, request: _Request) -> None:
        try:
            answer = await self._asked(request.topic, request.payload)
        except JobError as error:
            self._reject(request, error)
        except HedgerowError as error:
            _LOG.error("a request about a job failed", reason=error.message)
            self._reject(request, _BROKEN)
        except Exception as error:  # noqa: BLE001 - one request's failure must not end the others
            _LOG.error("a request about a job failed", failure=type(error).__name__)
            self._reject(request, _BROKEN)
        else:
            self._tell(request, "accepted", answer)

    async def _asked(self, topic: JobTopic, payload: bytes) -> Members:
        thing, desk = topic.thing_name, self._desk
        match topic.verb:
            case "get":
                read_json(payload, AskPending)
                return await desk.pending(thing)
            case "start-next":
                return await desk.start_next(thing, read_json(payload, AskStart))
            case "describe":
                return await desk.describe(thing, topic.job_id, read_json(payload, AskDescribe))
            case "update":
                return await desk.update(thing, topic.job_id, read_json(payload, AskUpdate))

    def _reject(self, request: _Request, error: JobError) -> None:
        content: dict[str, Any] = {"code": error.reason_code, "message": error.message}
        if error.attempt is not None:
            content["executionState"] = state_shown(error.attempt)
        self._tell(request, "rejected", content)

    def _tell(self, request: _Request, event: JobEvent, content: Members) -> None:
        """Publish an answer, with the request's token and the time."""
        whole = dict(with_plain_document(content))
        if "execution" in whole:
            whole["execution"] = with_plain_document(whole["execution"])
        token = token_in(request.payload)
        if token:
            whole["clientToken"] = token
        whole["timestamp"] = int(self._desk.now().timestamp())
        topic = replace(request.topic, event=event)
        self._publish(request.asker, str(topic), msgspec.json.encode(whole))
