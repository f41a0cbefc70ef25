"""What the data plane answers: one table of method, path, IoT action and resource.

The resource of each row is the guide's (page device-auth), so the documented minimal policies
cover every call; `tools` and documents can read the table. Matching is pure.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote_to_bytes

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.arns import role_alias_arn, thing_arn, topic_arn
from hedgerow.contract import (
    CLASSIC,
    ShadowId,
    connectivity_thing,
    deployment_arn,
    deployment_status_arn,
)
from hedgerow.contract.updates import updates_arn
from hedgerow.kernel import CallerError, quoted

Method = Literal["GET", "PUT", "POST", "DELETE"]
Parameters = Mapping[str, str]

MAX_SEGMENTS = 10
MAX_PARAMETER_BYTES = 512
MAX_ASKED = 20
_PARAMETER = re.compile(r"\{(\w+)\}")
_REST = re.compile(r"\{(\w+)\+\}")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class UnknownPathError(CallerError):
    """No row of the table has this path."""

    code = "UnknownPath"


class WrongMethodError(CallerError):
    """A row has this path, but for other methods."""

    code = "MethodNotAllowed"


@dataclass(frozen=True, slots=True)
class Route:
    """One call: `resource` builds what `action` is judged on from the path's parameters.

    `asks` are the parameters that its query may have; what else is in a query is nobody's.
    """

    name: str
    method: Method
    template: str
    action: str
    resource: Callable[[Home, Parameters], str]
    asks: frozenset[str] = frozenset()
    names_thing: bool = False
    """Whether a header may say which of its things the device is."""
    older_action: str = ""
    """Another name of the same permission, by which older policies give or deny it."""


@dataclass(frozen=True, slots=True)
class Match:
    """A request's row, the parameters of path and query, and what its action is judged on."""

    route: Route
    parameters: Parameters
    resource: str


def _own_thing(home: Home, parameters: Parameters) -> str:
    return thing_arn(home, parameters["thing"])


def _shadow(home: Home, parameters: Parameters) -> str:
    """Return the thing, and the shadow's name behind it if it is a named one."""
    return thing_arn(home, str(ShadowId(parameters["thing"], parameters.get("name", CLASSIC))))


def _role_alias(home: Home, parameters: Parameters) -> str:
    return role_alias_arn(home, parameters["alias"])


def _topic(home: Home, parameters: Parameters) -> str:
    return topic_arn(home, parameters["topic"])


def _connectivity(home: Home, parameters: Parameters) -> str:
    return connectivity_arn(home, parameters["thing"])


def _deployment(home: Home, parameters: Parameters) -> str:
    return deployment_arn(home.region, home.account, parameters["group"], parameters["deployment"])


def _status(home: Home, parameters: Parameters) -> str:
    return deployment_status_arn(
        home.region,
        home.account,
        parameters["group"],
        parameters["deployment"],
        parameters["core"],
    )


def _updates(home: Home, _parameters: Parameters) -> str:
    return updates_arn(home.region, home.account)


def _anything(_home: Home, _parameters: Parameters) -> str:
    return "*"


_DEPLOYMENT = "/greengrass/groups/{group}/deployments/{deployment}"
_CONNECTIVITY = "/greengrass/things/{thing}/connectivityInfo"
_SHADOW = "/things/{thing}/shadow"
_JOBS = "/things/{thing}/jobs"
_NAME = frozenset({"name"})
_PUBLISH = frozenset({"qos", "retain", "contentType", "responseTopic", "messageExpiry"})

ROUTES: tuple[Route, ...] = (
    Route(
        "discover",
        "GET",
        "/greengrass/discover/thing/{thing}",
        "greengrass:Discover",
        _own_thing,
    ),
    Route("get-deployment", "GET", _DEPLOYMENT, "greengrass:GetDeployment", _deployment),
    Route(
        "get-artifact",
        "GET",
        _DEPLOYMENT + "/artifacts/{artifact}",
        "greengrass:GetDeploymentArtifacts",
        _deployment,
    ),
    Route(
        "report-status",
        "PUT",
        _DEPLOYMENT + "/cores/{core}",
        "greengrass:UpdateCoreDeploymentStatus",
        _status,
    ),
    Route(
        "create-certificate",
        "POST",
        "/greengrass/certificates/server",
        "greengrass:CreateCertificate",
        _anything,
    ),
    Route(
        "delegate-authority",
        "POST",
        "/greengrass/certificates/authority",
        "greengrass:CreateCertificate",
        _anything,
    ),
    Route(
        "assume-group-role",
        "POST",
        "/greengrass/groups/{group}/role/credentials",
        "greengrass:AssumeRoleForGroup",
        _anything,
    ),
    Route(
        "get-connectivity", "GET", _CONNECTIVITY, "greengrass:GetConnectivityInfo", _connectivity
    ),
    Route(
        "update-connectivity",
        "PUT",
        _CONNECTIVITY,
        "greengrass:UpdateConnectivityInfo",
        _connectivity,
    ),
    Route("get-shadow", "GET", _SHADOW, "iot:GetThingShadow", _shadow, _NAME),
    Route("update-shadow", "POST", _SHADOW, "iot:UpdateThingShadow", _shadow, _NAME),
    Route("delete-shadow", "DELETE", _SHADOW, "iot:DeleteThingShadow", _shadow, _NAME),
    Route(
        "list-shadows",
        "GET",
        "/api/things/shadow/ListNamedShadowsForThing/{thing}",
        "iot:ListNamedShadowsForThing",
        _anything,
        frozenset({"nextToken", "pageSize"}),
    ),
    Route(
        "get-update-metadata",
        "GET",
        "/greengrass/updates/metadata/{name}",
        "greengrass:GetDeploymentArtifacts",
        _updates,
    ),
    Route(
        "get-update",
        "GET",
        "/greengrass/updates/targets/{path+}",
        "greengrass:GetDeploymentArtifacts",
        _updates,
    ),
    Route(
        "role-credentials",
        "GET",
        "/role-aliases/{alias}/credentials",
        "iot:AssumeRoleWithCertificate",
        _role_alias,
        names_thing=True,
    ),
    Route(
        "get-pending-jobs",
        "GET",
        _JOBS,
        "iotjobsdata:GetPendingJobExecutions",
        _own_thing,
        older_action="iot:GetPendingJobExecutions",
    ),
    Route(
        "start-next-job",
        "PUT",
        _JOBS + "/$next",
        "iotjobsdata:StartNextPendingJobExecution",
        _own_thing,
        older_action="iot:StartNextPendingJobExecution",
    ),
    Route(
        "describe-job",
        "GET",
        _JOBS + "/{job}",
        "iotjobsdata:DescribeJobExecution",
        _own_thing,
        frozenset({"includeJobDocument", "executionNumber"}),
        older_action="iot:DescribeJobExecution",
    ),
    Route(
        "update-job",
        "POST",
        _JOBS + "/{job}",
        "iotjobsdata:UpdateJobExecution",
        _own_thing,
        older_action="iot:UpdateJobExecution",
    ),
    Route("publish", "POST", "/topics/{topic+}", "iot:Publish", _topic, _PUBLISH),
    Route("get-retained", "GET", "/retainedMessage/{topic+}", "iot:GetRetainedMessage", _topic),
    Route(
        "list-retained",
        "GET",
        "/retainedMessage",
        "iot:ListRetainedMessages",
        _anything,
        frozenset({"nextToken", "maxResults"}),
    ),
)


def connectivity_arn(home: Home, thing_name: str) -> str:
    """Return what reading and changing the addresses of a core is judged on."""
    return thing_arn(home, connectivity_thing(thing_name))


def match(method: str, raw_path: str, home: Home, raw_query: str = "") -> Match:
    """Return the row for a request, or raise `UnknownPathError` or `WrongMethodError`."""
    segments = _segments(raw_path)
    methods = []
    for route in ROUTES:
        parameters = _parameters(route, segments)
        if parameters is None:
            continue
        if route.method == method:
            parameters = {**parameters, **_asked(route, raw_query)}
            return Match(route, parameters, route.resource(home, parameters))
        methods.append(route.method)
    if methods:
        raise WrongMethodError(f"this path takes {', '.join(methods)}, not {quoted(method)}")
    raise UnknownPathError(f"the data plane has no path {quoted(raw_path)}")


def asked_path(raw_path: str, raw_query: str) -> str:
    """Return the path as it is recorded: with its query where that names what is judged."""
    names_a_shadow = raw_path.endswith("/shadow") and 0 < len(raw_query) <= MAX_PARAMETER_BYTES
    return f"{raw_path}?{raw_query}" if names_a_shadow else raw_path


def _segments(raw_path: str) -> tuple[str, ...]:
    """Split the path as it was on the wire, then decode each part: `%2F` is no separator."""
    parts = raw_path.split("/", MAX_SEGMENTS + 1)
    if len(parts) > MAX_SEGMENTS + 1:
        raise UnknownPathError("the data plane has no path of so many parts")
    return tuple(_decoded(part) for part in parts)


def _asked(route: Route, raw_query: str) -> Parameters:
    """Return what a query says of what its route asks, each once and not empty."""
    if not route.asks or not raw_query:
        return {}
    try:
        given = parse_qsl(
            raw_query, keep_blank_values=True, errors="strict", max_num_fields=MAX_ASKED
        )
    except ValueError:
        raise CallerError("the query cannot be read") from None
    parameters: dict[str, str] = {}
    for name, value in given:
        if name not in route.asks:
            continue
        if name in parameters or not value or len(value) > MAX_PARAMETER_BYTES:
            raise CallerError(f"the query's {quoted(name)} is empty, too long, or there twice")
        parameters[name] = value
    return parameters


def _decoded(part: str) -> str:
    if _BAD_ESCAPE.search(part):
        raise CallerError("the path has a '%' that begins no escape")
    raw = unquote_to_bytes(part)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise CallerError("the path is not UTF-8") from None
    if len(raw) > MAX_PARAMETER_BYTES or not text.isprintable():
        raise CallerError("a part of the path is too long, or has control characters")
    return text


def _parameters(route: Route, segments: tuple[str, ...]) -> Parameters | None:
    template = route.template.split("/")
    rest = _REST.fullmatch(template[-1])
    if rest is not None and len(segments) > len(template):
        # Slashes of a topic may come as they are, or as %2F.
        whole = "/".join(segments[len(template) - 1 :])
        segments = (*segments[: len(template) - 1], whole)
    if len(template) != len(segments):
        return None
    parameters = {}
    for expected, given in zip(template, segments, strict=True):
        name = _PARAMETER.fullmatch(expected) or _REST.fullmatch(expected)
        if name is None and expected != given:
            return None
        if name is not None:
            if not given:
                return None
            parameters[name[1]] = given
    return parameters
