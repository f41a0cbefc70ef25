"""Which statements of an AWS IoT policy are too broad, as AWS's audit of devices sees it.

Source: AWS IoT Device Defender Developer Guide, "AWS IoT policies overly permissive"
(IOT_POLICY_OVERLY_PERMISSIVE_CHECK). A policy of a device should reach that device's own
connection, shadows and jobs. Whether it reaches those of any other is asked of the policy itself,
with names nobody has. A wildcard after the fixed beginning of a name is no such breadth: the least
policy of a Greengrass core has one. To receive is never too broad, as one has to subscribe first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hedgerow.policy.analysis.grants import applies
from hedgerow.policy.context import Context
from hedgerow.policy.documents import Policy, Statement
from hedgerow.policy.patterns import Pattern
from hedgerow.policy.requests import AccessRequest
from hedgerow.policy.tokens import Wildcard
from hedgerow.policy.variables import connection_variables

CHECK_NAME: Final = "IOT_POLICY_OVERLY_PERMISSIVE_CHECK"
REASON_CODE: Final = "ALLOWS_BROAD_ACCESS_TO_IOT_DATA_PLANE_ACTIONS"

_SELF: Final = "the-device-itself"
_STRANGERS: Final = ("Zq7-nobody", "9x_stranger")
_HEAD: Final = "arn:aws:iot:us-east-1:111122223333:"
_ARN_COLONS: Final = 5
_THINGS: Final = "$aws/things/"
_TAILS: Final = (
    "shadow/update",
    "shadow/update/accepted",
    "shadow/update/delta",
    "shadow/get",
    "shadow/delete",
    "jobs/get",
    "jobs/notify",
    "jobs/notify-next",
    "jobs/start-next",
)
_CONNECT: Final = "iot:Connect"
_THING_ACTIONS: Final = tuple(
    f"iot:{name}" for name in ("DeleteThingShadow", "GetThingShadow", "UpdateThingShadow")
)
_JOB_ACTIONS: Final = tuple(
    f"{service}:{name}"
    for service in ("iot", "iotjobsdata")
    for name in (
        "DescribeJobExecution",
        "GetPendingJobExecutions",
        "StartNextPendingJobExecution",
        "UpdateJobExecution",
    )
)
_KINDS: Final[Mapping[str, str]] = {
    _CONNECT: "client/",
    "iot:Publish": f"topic/{_THINGS}",
    "iot:Subscribe": f"topicfilter/{_THINGS}",
    **dict.fromkeys((*_THING_ACTIONS, *_JOB_ACTIONS), "thing/"),
}
"""The actions that are looked at, and where in their resources the device's name stands."""

_PROBLEMS: Final[Mapping[str, str]] = {
    "client/": "any device may connect",
    f"topic/{_THINGS}": "it may publish to the reserved topics of any device",
    f"topicfilter/{_THINGS}": "it may subscribe to the reserved topics of any device",
    "thing/": "it may act on the shadows or jobs of any device",
}


@dataclass(frozen=True, slots=True)
class BroadGrant:
    """A statement that gives more than one device's own; `resource` is the pattern that does."""

    statement: str
    action: str
    resource: str
    problem: str
    reason_code: str = REASON_CODE


def overly_permissive(policy: Policy) -> tuple[BroadGrant, ...]:
    """Return what is too broad in a policy, nothing if it is compliant."""
    allows = [one for one in policy.statements if one.effect == "Allow"]
    denies = [one for one in policy.statements if one.effect == "Deny"]
    return tuple(
        BroadGrant(statement.label, action, pattern.source, _PROBLEMS[kind])
        for statement in allows
        for action, kind in _KINDS.items()
        if statement.covers_action(action)
        for pattern in statement.resources
        if any(
            all(
                _gives(statement, pattern, request)
                and not any(applies(deny, request) for deny in denies)
                for request in probes
            )
            for probes in _probes(action, kind, pattern)
        )
    )


def _gives(statement: Statement, pattern: Pattern, request: AccessRequest) -> bool:
    """Tell whether the pattern gives the request.

    Conditions on a connection count, because they say which devices may connect at all; those
    of other actions say when, and not whose data.
    """
    if not pattern.matches(request.resource, request.variables):
        return False
    return request.action != _CONNECT or statement.meets_conditions(request.variables)


def _probes(action: str, kind: str, pattern: Pattern) -> Iterator[list[AccessRequest]]:
    """Yield requests for the same of several strangers; all of them together mean any device."""
    head = _head(pattern)
    for tail in _tails(kind, pattern):
        yield [
            AccessRequest(action, f"{head}{kind}{name}{tail}", _facts(action, name))
            for name in _STRANGERS
        ]
        if kind.startswith("topicfilter/"):
            yield [AccessRequest(action, f"{head}{kind}+{tail}", _facts(action, _SELF))]
    if kind.startswith("topicfilter/"):
        yield [AccessRequest(action, f"{head}{kind}#", _facts(action, _SELF))]


def _facts(action: str, name: str) -> Context:
    """Return what is known of a device: it is itself, but for who connects by another name."""
    connecting = action == _CONNECT
    return connection_variables(
        client_id=name if connecting else _SELF,
        thing_name=None if connecting else _SELF,
        certificate_id="0" * 64,
        attached=not connecting,
    )


def _head(pattern: Pattern) -> str:
    """Return the first five parts of the pattern's own ARN if they are plain."""
    parts = pattern.source.split(":", _ARN_COLONS)
    plain = [
        given if given and not set("*?$") & set(given) else otherwise
        for given, otherwise in zip(parts, _HEAD.split(":"), strict=False)
    ]
    return ":".join([*plain[:_ARN_COLONS], ""]) if len(parts) > _ARN_COLONS else _HEAD


def _tails(kind: str, pattern: Pattern) -> Sequence[str]:
    """Return what may follow the device's name: what is usual, and what the pattern itself has."""
    if not kind.endswith(_THINGS):
        return ("",)
    text = "".join(_plain(token) for token in pattern.tokens)
    _, found, rest = text.partition(_THINGS)
    own = rest[rest.index("/") :] if found and "/" in rest else ""
    usual = tuple(f"/{tail}" for tail in _TAILS)
    return (*usual, own) if own else usual


def _plain(token: object) -> str:
    if isinstance(token, str):
        return token
    return "x" if token is Wildcard.ONE else ""
