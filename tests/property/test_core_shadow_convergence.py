"""Synchronisation under changes on both sides and failures: both become alike, nothing is lost.

The model is two plain dictionaries: what only the core's side ever writes, and what only the
cloud's side ever writes, must be there in the end as it was written last.
"""

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clock import ManualClock
from tests.support.core import until
from tests.support.core_shadows import CloudDouble, OpenLink, group_of, shadows_in, sync_of

from hedgerow.contract import ShadowId
from hedgerow.core.link import HttpAnswer
from hedgerow.kernel import UnavailableError

GROUP = group_of("A", synced=("A",))

_values = (
    st.none() | st.integers(0, 2) | st.fixed_dictionaries({"in": st.none() | st.integers(0, 2)})
)
_here = st.tuples(st.just("here"), st.sampled_from(["h1", "h2", "both"]), _values)
_there = st.tuples(st.just("there"), st.sampled_from(["t1", "t2", "both"]), _values)
_round = st.tuples(st.just("round"), st.sampled_from(["", "GET", "POST", "lost"]), st.none())
_steps = st.lists(_here | _there | _round, max_size=14)


class FailingCloud(CloudDouble):
    """Fails at the next call of a kind: before it does anything, or with its answer lost."""

    failure = ""

    async def shadow(self, method: str, shadow: ShadowId, body: bytes | None = None) -> HttpAnswer:
        failure = self.failure
        if failure == method:
            raise UnavailableError("no way to the cloud")
        answer = await super().shadow(method, shadow, body)
        if failure == "lost" and method == "POST":
            raise UnavailableError("the answer was lost")
        return answer


@settings(max_examples=80, deadline=None)
@given(_steps)
def test_both_sides_end_alike_and_nothing_that_one_side_alone_writes_is_lost(
    steps: list[Any],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_play(Path(folder), steps))


async def _play(folder: Path, steps: list[Any]) -> None:
    cloud = FailingCloud(ManualClock())
    model: dict[str, Any] = {}
    with shadows_in(folder, GROUP, cloud.clock) as here:
        sync = sync_of(here, cloud, GROUP)
        for kind, what, value in steps:
            if kind == "round":
                cloud.failure = what
                with contextlib.suppress(UnavailableError):
                    await sync._round(ShadowId("A"))
                continue
            side = here if kind == "here" else cloud
            side.update("A", reported={what: value})
            _apply(model, what, value)
        cloud.failure = ""
        sync.look_again()
        task = asyncio.get_running_loop().create_task(sync.run(OpenLink()))
        await until(lambda: sync.waiting == 0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert here.state("A") == cloud.state("A")
        assert sync.problem is None
        reported = (here.state("A") or {}).get("reported", {})
        reached = {key: value for key, value in reported.items() if key != "both"}
        assert reached == model


def _apply(model: dict[str, Any], key: str, value: Any) -> None:
    """Do to the model what an update does: objects merge, null removes."""
    if key == "both":
        return
    if isinstance(value, dict):
        inner = model.get(key)
        merged = {**(inner if isinstance(inner, dict) else {}), **value}
        model[key] = {name: each for name, each in merged.items() if each is not None}
    elif value is None:
        model.pop(key, None)
    else:
        model[key] = value
