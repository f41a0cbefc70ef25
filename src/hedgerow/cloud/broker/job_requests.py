"""Requests about jobs over MQTT: taken from the broker, answered on the request's own topics.

The topics name the thing, and policies judge who may publish on them and who hears the answers.
Source: AWS IoT Core Developer Guide, "Jobs device MQTT API".
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
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
from hedgerow.contract.job_topics import JobTopic, parse_job_topic
from hedgerow.kernel import HedgerowError
from hedgerow.mqtt import Message

MAX_WAITING_PER_THING: Final = 10
"""Requests of one thing that are not answered yet; one more is answered with RequestThrottled."""
MAX_WAITING: Final = 1000
"""The same for all things together."""

_BROKEN: Final = JobError("InternalError", "The request failed; try again later.")
_LOG = structlog.get_logger("hedgerow.cloud.broker.job_requests")

Members = Mapping[str, Any]
Publish = Callable[[str, bytes], None]


class JobRequests:
    """Answers requests in the order they came, one after the other."""

    def __init__(self, desk: JobDesk, publish: Publish) -> None:
        self._desk = desk
        self._publish = publish
        self._waiting: asyncio.Queue[tuple[JobTopic, bytes]] = asyncio.Queue()
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
        request = parse_job_topic(message.topic)
        if request is None or request.event or message.is_will:
            return
        if (
            self._waiting_of_thing[request.thing_name] >= MAX_WAITING_PER_THING
            or self._waiting.qsize() >= MAX_WAITING
        ):
            refusal = JobError("RequestThrottled", "Too many requests; try again later.")
            # Not from within the broker's own delivery of the request.
            loop = asyncio.get_running_loop()
            loop.call_soon(self._reject, request, message.payload, refusal)
            return
        self._waiting_of_thing[request.thing_name] += 1
        self._waiting.put_nowait((request, message.payload))

    async def _answer_all(self) -> None:
        while True:
            request, payload = await self._waiting.get()
            try:
                await self._answer(request, payload)
            finally:
                self._waiting_of_thing[request.thing_name] -= 1
                if not self._waiting_of_thing[request.thing_name]:
                    del self._waiting_of_thing[request.thing_name]

    async def _answer(self, request: JobTopic, payload: bytes) -> None:
        try:
            answer = await self._asked(request, payload)
        except JobError as error:
            self._reject(request, payload, error)
        except HedgerowError as error:
            _LOG.error("a request about a job failed", reason=error.message)
            self._reject(request, payload, _BROKEN)
        except Exception as error:  # noqa: BLE001 - one request's failure must not end the others
            _LOG.error("a request about a job failed", failure=type(error).__name__)
            self._reject(request, payload, _BROKEN)
        else:
            self._tell(replace(request, event="accepted"), answer, payload)

    async def _asked(self, request: JobTopic, payload: bytes) -> Members:
        thing, desk = request.thing_name, self._desk
        match request.verb:
            case "get":
                read_json(payload, AskPending)
                return await desk.pending(thing)
            case "start-next":
                return await desk.start_next(thing, read_json(payload, AskStart))
            case "describe":
                return await desk.describe(thing, request.job_id, read_json(payload, AskDescribe))
            case "update":
                return await desk.update(thing, request.job_id, read_json(payload, AskUpdate))

    def _reject(self, request: JobTopic, payload: bytes, error: JobError) -> None:
        content: dict[str, Any] = {"code": error.reason_code, "message": error.message}
        if error.attempt is not None:
            content["executionState"] = state_shown(error.attempt)
        self._tell(replace(request, event="rejected"), content, payload)

    def _tell(self, topic: JobTopic, content: Members, payload: bytes) -> None:
        """Publish an answer, with the request's token and the time."""
        whole = dict(with_plain_document(content))
        if "execution" in whole:
            whole["execution"] = with_plain_document(whole["execution"])
        token = token_in(payload)
        if token:
            whole["clientToken"] = token
        whole["timestamp"] = int(self._desk.now().timestamp())
        self._publish(str(topic), msgspec.json.encode(whole))
