"""What a message on a shadow's topic comes to: whether the local shadow service hears of it."""

from collections.abc import Iterator
from dataclasses import replace

from hedgerow.cli.why.path import Step
from hedgerow.cli.why.rows import names_of
from hedgerow.contract import SHADOW_SERVICE, GroupDeployment, ShadowTopic, parse_shadow_topic
from hedgerow.core.switchboard import explain
from hedgerow.kernel import quoted

_STEP = "shadow service"
_DEPLOY = "to the group's subscription definition, and deploy the group"


def shadow_request(topic: str, target: str | None) -> ShadowTopic | None:
    """Return the request to a shadow that a message is; None for others, and for other targets."""
    request = parse_shadow_topic(topic)
    if request is None or request.event or target not in (None, SHADOW_SERVICE):
        return None
    return request


def shadow_steps(
    group: GroupDeployment, source: str, request: ShadowTopic, *, passes: bool
) -> Iterator[Step]:
    """Yield whether a row leads the request to the shadow service, and its answers back.

    A message that `passes` to somebody else without that is no fault, but worth knowing.
    """
    asker = names_of(group).get(source, source)
    topic = str(request)
    if not explain(group, source, topic, SHADOW_SERVICE).allowed:
        yield Step(
            _STEP,
            passed=None if passes else False,
            says=f"no row leads {topic} from {quoted(asker)} to {SHADOW_SERVICE}, which keeps the "
            "core's shadows: no shadow changes, and nothing is answered",
            code="no-row-to-shadows",
            change=f"add a row with the source {quoted(asker)}, the subject {quoted(topic)} and "
            f"the target {SHADOW_SERVICE} {_DEPLOY}",
        )
        return
    yield Step(_STEP, passed=True, says=f"a row leads it to {SHADOW_SERVICE}")
    yield _member(group, request)
    yield from _answers(group, source, asker, request)


def _member(group: GroupDeployment, request: ShadowTopic) -> Step:
    name, core = request.thing_name, group.core.thing_name
    if name == core or name in names_of(group).values():
        return Step("shadow", passed=True, says=f"the core keeps shadows of {quoted(name)}")
    return Step(
        "shadow",
        passed=False,
        says=f"{quoted(name)} is neither a device of the group nor its core, so the answer is 404",
        code="no-shadow-here",
        change=f"add {quoted(name)} to the group's device definition, and deploy the group",
    )


def _answers(
    group: GroupDeployment, source: str, asker: str, request: ShadowTopic
) -> Iterator[Step]:
    """Yield which answers no row brings back; a device may do without them."""
    missing = [
        topic
        for topic in (
            str(replace(request, event="accepted")),
            str(replace(request, event="rejected")),
        )
        if not explain(group, SHADOW_SERVICE, topic, source).allowed
    ]
    if missing:
        yield Step(
            "answers",
            passed=None,
            says=f"{quoted(asker)} does not hear {' and '.join(missing)}: no row from "
            f"{SHADOW_SERVICE} brings it",
        )
