"""One table of shadow requests and answers over every way there is, to the cloud and to a core."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.shadow_cases import CASES, Case, Step
from tests.support.shadow_ways import Reply, Way, to_a_core, to_the_cloud

from hedgerow.contract import ShadowId

WAYS = ("cloud mqtt", "cloud https", "cloud boto3", "core mqtt", "core calls")
_OK = 200


@asynccontextmanager
async def opened(folder: Path, way: str) -> AsyncIterator[Way]:
    place, kind = way.split()
    things = [f"c{number}" for number in range(len(CASES))]
    opening = to_the_cloud(folder, kind) if place == "cloud" else to_a_core(folder, kind, things)
    async with opening as found:
        yield found


@pytest.mark.spec("Q01")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shadow_name", ["", "$config:1"])
async def test_every_way_gives_the_documented_answers(
    tmp_path: Path, way: str, shadow_name: str
) -> None:
    async with opened(tmp_path, way) as asked:
        for number, case in enumerate(CASES):
            await _play(asked, case, ShadowId(f"c{number}", shadow_name))


async def _play(way: Way, case: Case, shadow: ShadowId) -> None:
    """Take the steps of a case; the state of the shadow is followed by what is told of it."""
    before: Any = None
    for number, step in enumerate(case.steps):
        where = f"{case.name}, step {number}: {step.verb} {step.sent[:80]!r}"
        reply = await way.ask(shadow, step.verb, step.sent, _notices(step))
        assert reply.status == step.status, where
        _check_answer(reply, step, shadow, where, whole=way.takes_bodies)
        told = [message.topic for message in reply.told if message.topic.verb != "get"]
        assert {topic.shadow for topic in told} <= {shadow}, where
        assert [topic.event for topic in told] == _events(step), where
        before = _check_notices(reply, step, before, where)


def _check_answer(reply: Reply, step: Step, shadow: ShadowId, where: str, *, whole: bool) -> None:
    if step.status != _OK:
        called = shadow.shadow_name or shadow.thing_name
        assert reply.body["message"] == step.answer.format(name=called), where
        return
    expected = dict(step.answer)
    if not whole and step.verb != "update":
        expected.pop("clientToken", None)
    assert {key: reply.body.get(key) for key in expected} == expected, where
    assert reply.body.keys() - expected.keys() <= {"metadata", "timestamp", "state"}, where


def _check_notices(reply: Reply, step: Step, before: Any, where: str) -> Any:
    """Check delta and documents; return the state and version after the step."""
    if step.verb == "delete" and step.status == _OK:
        return None
    bodies = {message.topic.event: message.body for message in reply.told}
    if "documents" not in bodies:
        return before
    documents = bodies["documents"]
    assert documents.get("previous") == before, where
    assert documents["current"]["version"] == reply.body["version"], where
    assert bodies.get("delta", {}).get("state") == step.delta, where
    token = reply.body.get("clientToken")
    assert {body.get("clientToken") for body in bodies.values()} == {token}, where
    return documents["current"]


def _notices(step: Step) -> int:
    return len(_events(step))


def _events(step: Step) -> list[str]:
    """Return what is told of a step to others than who asked, in order."""
    if step.status != _OK or step.verb == "get":
        return []
    if step.verb == "delete":
        return ["accepted"]
    return ["accepted", *(["delta"] if step.delta is not None else []), "documents"]
