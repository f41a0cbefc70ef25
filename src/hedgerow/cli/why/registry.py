"""What the registry's API tells of a device, put into the tables that the cloud's own doors ask.

So an answer of `hedgerow why` is theirs: nothing is judged here.
"""

from dataclasses import dataclass
from typing import Any

from hedgerow.cli.provision.api import CloudApi
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.documents import Certificate, Thing, ThingGroup
from hedgerow.cloud.iot.tables import DirectoryTables
from hedgerow.kernel import CallerError
from hedgerow.policy import Explanation, NamedPolicy, parse_policy

_GONE = frozenset({"ResourceNotFoundException", "NoSuchEntity", "404"})
"""How services say that there is none; Greengrass says it of a role by the status alone."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered certificate with all that holds for its requests."""

    certificate_id: str
    described: dict[str, Any]
    things: tuple[str, ...]
    own_policies: tuple[NamedPolicy, ...]
    group_policies: tuple[NamedPolicy, ...]
    _tables: DirectoryTables

    def explain(self, action: str, resource: str, client_id: str) -> Explanation:
        """Return what the cloud's doors decide for this certificate, and why."""
        return self._tables.explain(self.certificate_id, action, resource, client_id)


def found(api: CloudApi, service: str, operation: str, **members: Any) -> dict[str, Any] | None:
    """Return the answer, or None if what is asked about does not exist."""
    try:
        return api.call(service, operation, **members)
    except CallerError as error:
        if error.reason_code in _GONE:
            return None
        raise


def registered(api: CloudApi, certificate_id: str) -> Registered | None:
    """Return a certificate of this account, or None if it is not registered in it."""
    answer = found(api, "iot", "describe_certificate", certificateId=certificate_id)
    if answer is None:
        return None
    described = answer["certificateDescription"]
    arn = described["certificateArn"]
    things = tuple(api.pages("iot", "list_principal_things", "things", principal=arn))
    own = _policies_of(api, arn)
    tables = DirectoryTables(Home(api.account, api.region), ())
    of_groups: dict[str, NamedPolicy] = {}
    for thing in things:
        for policy in _put_thing(api, tables, thing):
            of_groups[policy.name] = policy
    for policy in (*own, *of_groups.values()):
        tables.put_policy(policy.name, policy)
    tables.put_certificate(
        certificate_id,
        Certificate(
            pem=described["certificatePem"],
            status=described["status"],
            issued_here=True,
            not_before=described["validity"]["notBefore"],
            not_after=described["validity"]["notAfter"],
            things=things,
            policies=tuple(policy.name for policy in own),
        ),
    )
    return Registered(certificate_id, described, things, own, tuple(of_groups.values()), tables)


def _put_thing(api: CloudApi, tables: DirectoryTables, name: str) -> tuple[NamedPolicy, ...]:
    """Put a thing and its groups into the tables; return the policies of the groups."""
    thing = api.call("iot", "describe_thing", thingName=name)
    groups = {
        group["groupName"]: _policies_of(api, group["groupArn"])
        for group in api.pages("iot", "list_thing_groups_for_thing", "thingGroups", thingName=name)
    }
    for group, policies in groups.items():
        names = tuple(policy.name for policy in policies)
        tables.put_group(group, ThingGroup(group_id=group, policies=names))
    tables.put_thing(
        name,
        Thing(
            thing_id=thing["thingId"],
            attributes=thing.get("attributes", {}),
            groups=tuple(groups),
        ),
    )
    return tuple(policy for policies in groups.values() for policy in policies)


def _policies_of(api: CloudApi, target: str) -> tuple[NamedPolicy, ...]:
    attached = api.pages("iot", "list_attached_policies", "policies", target=target)
    names = [policy["policyName"] for policy in attached]
    texts = {
        name: api.call("iot", "get_policy", policyName=name)["policyDocument"] for name in names
    }
    return tuple(NamedPolicy(name, parse_policy(text)) for name, text in texts.items())
