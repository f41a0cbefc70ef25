"""Policies of least privilege, made from names: what a core or a client device needs, no more."""

import json
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from hedgerow.kernel import Arn, CallerError, quoted
from hedgerow.policy.dialects import DOCUMENT_LIMIT, document_size

_VERSION: Final = "2012-10-17"
_UNSAFE: Final = frozenset("*?${}/+# \t\r\n")


def minimal_core_policy(*, region: str, account: str, core_thing_name: str, group_id: str) -> str:
    """Return the smallest policy under which a core works (guide page device-auth, D12).

    Raises `CallerError` for a name that would mean something else inside a policy.
    """
    for name in (region, account, core_thing_name, group_id):
        _require_plain(name)
    own = f"{core_thing_name}-*"

    def iot(resource: str) -> str:
        return str(Arn("iot", region, account, resource))

    deployments = str(
        Arn("greengrass", region, account, f"/greengrass/groups/{group_id}/deployments/*")
    )
    core = quote(iot(f"thing/{core_thing_name}"), safe="")
    return _policy(
        _allow(["iot:Connect"], iot(f"client/{own}")),
        _allow(["iot:Publish", "iot:Receive"], iot(f"topic/$aws/things/{own}")),
        _allow(["iot:Subscribe"], iot(f"topicfilter/$aws/things/{own}")),
        _allow(
            ["iot:GetThingShadow", "iot:UpdateThingShadow", "iot:DeleteThingShadow"],
            iot(f"thing/{own}"),
        ),
        _allow(["greengrass:AssumeRoleForGroup", "greengrass:CreateCertificate"], "*"),
        _allow(["greengrass:GetDeployment"], deployments),
        _allow(["greengrass:GetDeploymentArtifacts"], deployments),
        _allow(["greengrass:UpdateCoreDeploymentStatus"], f"{deployments}/cores/{core}"),
        _allow(
            ["greengrass:GetConnectivityInfo", "greengrass:UpdateConnectivityInfo"],
            iot(f"thing/{own}"),
        ),
    )


def minimal_device_policy(
    *,
    region: str,
    account: str,
    thing_name: str,
    publish: Sequence[str] = (),
    subscribe: Sequence[str] = (),
) -> str:
    """Return the smallest policy of a client device: discover its cores, connect as itself.

    `publish` are topics and `subscribe` topic filters it may use with the cloud's broker; none
    are needed for talking to a core. Raises `CallerError` for a name that is not plain.
    """
    for name in (region, account, thing_name):
        _require_plain(name)

    def iot(resource: str) -> str:
        return str(Arn("iot", region, account, resource))

    statements = [
        _allow(["greengrass:Discover"], iot(f"thing/{thing_name}")),
        _allow(["iot:Connect"], iot(f"client/{thing_name}")),
    ]
    if publish:
        topics = [iot(f"topic/{_literal(topic)}") for topic in publish]
        statements.append(_allow(["iot:Publish"], *topics))
    if subscribe:
        filters = [iot(f"topicfilter/{_literal(one)}") for one in subscribe]
        received = [iot(f"topic/{each}") for one in subscribe for each in _received(one)]
        statements.append(_allow(["iot:Subscribe"], *filters))
        statements.append(_allow(["iot:Receive"], *received))
    return _policy(*statements)


def core_message_policy(
    *, region: str, account: str, to_cloud: Sequence[str] = (), from_cloud: Sequence[str] = ()
) -> str:
    """Return what a core needs beside its minimal policy to carry messages to and from the cloud.

    Both are subjects of subscription rows: topic filters with the cloud as target or source.
    Raises `CallerError` if there are none, or a name is not plain.
    """
    for name in (region, account):
        _require_plain(name)
    if not to_cloud and not from_cloud:
        raise CallerError("there is no row to or from the cloud to make a policy for")

    def iot(resource: str) -> str:
        return str(Arn("iot", region, account, resource))

    statements = []
    if to_cloud:
        sent = [iot(f"topic/{each}") for one in to_cloud for each in _received(one)]
        statements.append(_allow(["iot:Publish"], *sent))
    if from_cloud:
        received = [iot(f"topic/{each}") for one in from_cloud for each in _received(one)]
        filters = [iot(f"topicfilter/{_literal(one)}") for one in from_cloud]
        statements.append(_allow(["iot:Subscribe"], *filters))
        statements.append(_allow(["iot:Receive"], *received))
    return _policy(*statements)


def core_shadow_policies(
    *, region: str, account: str, thing_names: Sequence[str], named: bool = False
) -> tuple[str, ...]:
    """Return what a core needs beside its minimal policy to synchronise these things' shadows.

    The three shadow actions on each thing (guide page device-auth, D14), and hearing of changes
    in the cloud; with `named` the same of their named shadows, and learning their names. They are
    as few policies as hold them all, each within its size. Raises `CallerError` if there is no
    thing, or a name is not plain.
    """
    for name in (region, account, *thing_names):
        _require_plain(name)
    if not thing_names:
        raise CallerError("there is no shadow to synchronise to make a policy for")
    policies: list[str] = []
    things: list[str] = []
    for name in thing_names:
        larger = _shadow_policy(region, account, [*things, name], named=named)
        if things and document_size(larger) > DOCUMENT_LIMIT:
            things = [name]
            policies.append(_shadow_policy(region, account, things, named=named))
        else:
            things.append(name)
            policies[-1:] = [larger]
    return tuple(policies)


def core_update_policy(*, region: str, account: str, core_thing_name: str) -> str:
    """Return what a core's update agent needs beside the minimal policy: its jobs, and packages.

    It connects under the minimal one, as `<core>-ota`. Raises `CallerError` if a name is not plain.
    """
    for name in (region, account, core_thing_name):
        _require_plain(name)
    actions = ("GetPendingJobExecutions", "DescribeJobExecution", "UpdateJobExecution")
    notices = f"$aws/things/{core_thing_name}/jobs/notify"
    return _policy(
        _allow(["iot:Subscribe"], str(Arn("iot", region, account, f"topicfilter/{notices}"))),
        _allow(["iot:Receive"], str(Arn("iot", region, account, f"topic/{notices}"))),
        _allow(
            [f"iotjobsdata:{action}" for action in actions],
            str(Arn("iot", region, account, f"thing/{core_thing_name}")),
        ),
        _allow(
            ["greengrass:GetDeploymentArtifacts"],
            str(Arn("greengrass", region, account, "/greengrass/updates")),
        ),
    )


def _shadow_policy(region: str, account: str, thing_names: Sequence[str], *, named: bool) -> str:
    def iot(kind: str, *names: str) -> list[str]:
        return [str(Arn("iot", region, account, f"{kind}/{name}")) for name in names]

    topics = [f"$aws/things/{name}/shadow" for name in thing_names]
    ends = [("", "")] + ([("/*", "/name/*")] if named else [])
    things = [f"{name}{end}" for name in thing_names for end, _ in ends]
    filters = [f"{topic}{end}/+/accepted" for topic in topics for _, end in ends]
    heard = [
        f"{topic}{end}/{verb}/accepted"
        for verb in ("update", "delete")
        for topic in topics
        for _, end in ends
    ]
    statements = [
        _allow(
            ["iot:GetThingShadow", "iot:UpdateThingShadow", "iot:DeleteThingShadow"],
            *iot("thing", *things),
        ),
        _allow(["iot:Subscribe"], *iot("topicfilter", *filters)),
        _allow(["iot:Receive"], *iot("topic", *heard)),
    ]
    if named:
        statements.append(_allow(["iot:ListNamedShadowsForThing"], "*"))
    return _policy(*statements)


def _allow(actions: Sequence[str], *resources: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": _VERSION, "Statement": list(statements)}, indent=4)


def _literal(topic: str) -> str:
    """Escape what a policy would read as a wildcard or a variable."""
    escaped = topic.replace("${", "${$}{").replace("?", "${?}")
    return escaped.replace("*", "${*}")


def _received(topic_filter: str) -> list[str]:
    """Return patterns of the topics that a filter can bring in: `+` and `#` become `*`."""
    levels = topic_filter.split("/")
    pattern = "/".join("*" if level in ("+", "#") else _literal(level) for level in levels)
    if levels[-1] == "#" and len(levels) > 1:
        return [pattern.removesuffix("/*"), pattern]  # `a/#` brings in `a` as well
    return [pattern]


def _require_plain(name: str) -> None:
    if not name or not _UNSAFE.isdisjoint(name):
        raise CallerError(
            f"{quoted(name)} cannot stand in a policy: a name has no space and none of "
            "* ? $ { } / + #"
        )
