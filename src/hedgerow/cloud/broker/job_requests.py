"""Requests about jobs over MQTT: taken from the broker, answered on the request's own topics.

The topics name the thing, and policies judge who may publish on them; an answer goes to the client
that asked, if it has subscribed to it and may receive it.
Source: AWS IoT Core Developer Guide, "Jobs device MQTT API".
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
import structlog

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

MAX_WAITING_PER_THING: Final = 10
"""Requests of one thing that are not answered yet; one more is answered with RequestThrottled."""
MAX_WAITING: Final = 1000
"""The same for all things together."""

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
        self._waiting: asyncio.Queue[_Request] = asyncio.Queue()
        self._waiting_of_thing: Counter[str] = Counter()
        self._worker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to answer."""
        loop = asyncio.get_running_loop()
        self._worker = loop.create_task(self._answer_all(), name="job requests")

    async def stop(self) -> None:
        """Stop answering; what waits is dropped, as at a restart."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
            self._worker = None

    def take(self, message: Message) -> None:
        """Take a message on a request topic (a `Tap`); a will is none."""
        topic = parse_job_topic(message.topic)
        if topic is None or topic.event or message.is_will:
            return
        request, thing = _Request(topic, message.source, message.payload), topic.thing_name
        if (
            self._waiting_of_thing[thing] >= MAX_WAITING_PER_THING
            or self._waiting.qsize() >= MAX_WAITING
        ):
            refusal = JobError("RequestThrottled", "Too many requests; try again later.")
            # Not from within the broker's own delivery of the request.
            asyncio.get_running_loop().call_soon(self._reject, request, refusal)
            return
        self._waiting_of_thing[thing] += 1
        self._waiting.put_nowait(request)

    async def _answer_all(self) -> None:
        while True:
            request = await self._waiting.get()
            thing = request.topic.thing_name
            try:
                await self._answer(request)
            finally:
                self._waiting_of_thing[thing] -= 1
                if not self._waiting_of_thing[thing]:
                    del self._waiting_of_thing[thing]

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
