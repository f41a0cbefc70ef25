"""A Greengrass group by its content: read the latest version, change it, save a new version."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.provision.identity import Identity
from hedgerow.cli.provision.row import Row
from hedgerow.cli.provision.undo import Undo
from hedgerow.contract import CLOUD, SHADOW_SERVICE
from hedgerow.kernel import CallerError, new_uuid, quoted

_IP_DETECTOR = {
    "Id": "ip-detector",
    "FunctionArn": "arn:aws:lambda:::function:GGIPDetector:1",
    "FunctionConfiguration": {"Pinned": True, "MemorySize": 32768, "Timeout": 3},
}


@dataclass(frozen=True, slots=True)
class GroupContent:
    """The definition versions of a group's latest version, by their names in the API."""

    group_id: str
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def create(cls, api: CloudApi, undo: Undo, name: str) -> "GroupContent":
        """Make a new, empty group."""
        made = cls(api.call("greengrass", "create_group", Name=name)["Id"])
        undo.made(
            f"the group {name}",
            lambda: api.call("greengrass", "delete_group", GroupId=made.group_id),
            advice=f"delete it: aws greengrass delete-group --group-id {made.group_id}",
        )
        return made

    @classmethod
    def find(cls, api: CloudApi, name: str) -> "GroupContent | None":
        """Return the group of that name, or None; `CallerError` if there are several."""
        groups = [
            group
            for group in api.pages("greengrass", "list_groups", "Groups")
            if group["Name"] == name
        ]
        if not groups:
            return None
        if len(groups) > 1:
            raise CallerError(f"there are {len(groups)} groups named {quoted(name)}; rename one")
        return cls.read(api, groups[0])

    @classmethod
    def read(cls, api: CloudApi, group: dict[str, Any]) -> "GroupContent":
        """Return the content of the latest version of a group from `ListGroups`."""
        if not group.get("LatestVersion"):
            return cls(group["Id"])
        latest = api.call(
            "greengrass",
            "get_group_version",
            GroupId=group["Id"],
            GroupVersionId=group["LatestVersion"],
        )
        return cls(group["Id"], dict(latest["Definition"]))

    @property
    def has_core(self) -> bool:
        """Whether a core stands in the group."""
        return "CoreDefinitionVersionArn" in self.versions

    def core_certificate(self, api: CloudApi) -> str:
        """Return the ARN of the certificate of the group's core; `CallerError` without a core."""
        certificate: str = self.core(api)["CertificateArn"]
        return certificate

    def core(self, api: CloudApi) -> dict[str, Any]:
        """Return the group's core as its definition has it; `CallerError` without a core."""
        if not self.has_core:
            raise CallerError("the group has no core yet; 'hedgerow core provision' makes one")
        return self._listed(api, "core", "Cores", self.versions["CoreDefinitionVersionArn"])[0]

    def devices(self, api: CloudApi) -> list[dict[str, Any]]:
        """Return the group's client devices, as its device definition has them."""
        arn = self.versions.get("DeviceDefinitionVersionArn")
        return [] if arn is None else self._listed(api, "device", "Devices", arn)

    def with_core(
        self, api: CloudApi, undo: Undo, core: Identity, synced: Collection[str] = ()
    ) -> "GroupContent":
        """Return the group with its core, and with the function that publishes its addresses.

        Its shadow is synchronised if its name is among `synced`.
        """
        with_core = self.with_added(api, undo, "core", "Cores", [_member(core, synced)])
        return with_core.with_added(api, undo, "function", "Functions", [_IP_DETECTOR])

    def with_devices(
        self, api: CloudApi, undo: Undo, devices: Sequence[Identity], synced: Collection[str] = ()
    ) -> "GroupContent":
        """Return the group with more client devices; `synced` are names as for `with_core`."""
        if not devices:
            return self
        members = [_member(device, synced) for device in devices]
        return self.with_added(api, undo, "device", "Devices", members)

    def with_rows(self, api: CloudApi, undo: Undo, rows: Sequence[Row]) -> "GroupContent":
        """Return the group with more rows in its subscription table."""
        if not rows:
            return self
        entries = [
            {
                "Id": new_uuid(),
                "Source": _end(api, row.source),
                "Subject": row.topic,
                "Target": _end(api, row.target),
            }
            for row in rows
        ]
        return self.with_added(api, undo, "subscription", "Subscriptions", entries)

    def save(self, api: CloudApi) -> str:
        """Make a new group version of this content and return its id."""
        made = api.call(
            "greengrass", "create_group_version", GroupId=self.group_id, **self.versions
        )
        version: str = made["Version"]
        return version

    def restored_on_failure(self, api: CloudApi, undo: Undo) -> None:
        """Let this content, of a group that was there before, be its latest version again."""
        undo.made(f"the new version of the group {self.group_id}", lambda: self.save(api))

    def with_added(
        self, api: CloudApi, undo: Undo, kind: str, listed: str, entries: Sequence[dict[str, Any]]
    ) -> "GroupContent":
        """Return the group with entries added to the definition of one kind.

        `kind` is the API's word (`core`, `device`, …) and `listed` its member with the entries.
        """
        member = f"{kind.capitalize()}DefinitionVersionArn"
        current = self.versions.get(member)
        if current is None:
            made = api.call(
                "greengrass",
                f"create_{kind}_definition",
                Name=f"{kind}s-of-{self.group_id}",
                InitialVersion={listed: list(entries)},
            )
            arn = made["LatestVersionArn"]
            made_id = {f"{kind.capitalize()}DefinitionId": made["Id"]}
            undo.made(
                f"the {kind} definition {made['Id']}",
                lambda: api.call("greengrass", f"delete_{kind}_definition", **made_id),
            )
        else:
            arn = self._extended(api, kind, listed, current, entries)
        return GroupContent(self.group_id, {**self.versions, member: arn})

    def _listed(self, api: CloudApi, kind: str, listed: str, arn: str) -> list[dict[str, Any]]:
        """Return the entries of a definition version."""
        title = kind.capitalize()
        definition_id, version_id = _ids(kind, arn)
        version = api.call(
            "greengrass",
            f"get_{kind}_definition_version",
            **{
                f"{title}DefinitionId": definition_id,
                f"{title}DefinitionVersionId": version_id,
            },
        )
        entries: list[dict[str, Any]] = version["Definition"].get(listed, [])
        return entries

    def _extended(
        self,
        api: CloudApi,
        kind: str,
        listed: str,
        current: str,
        entries: Sequence[dict[str, Any]],
    ) -> str:
        before = self._listed(api, kind, listed, current)
        definition_id, _ = _ids(kind, current)
        made = api.call(
            "greengrass",
            f"create_{kind}_definition_version",
            **{f"{kind.capitalize()}DefinitionId": definition_id},
            **{listed: [*before, *entries]},
        )
        arn: str = made["Arn"]
        return arn


def start_deployment(api: CloudApi, group_id: str, version_id: str) -> str:
    """Deploy a version of a group and return the deployment's id."""
    made = api.call(
        "greengrass",
        "create_deployment",
        GroupId=group_id,
        GroupVersionId=version_id,
        DeploymentType="NewDeployment",
    )
    deployment: str = made["DeploymentId"]
    return deployment


def _ids(kind: str, arn: str) -> tuple[str, str]:
    """Return the ids of a definition and its version from the version's ARN."""
    definition_id, _, version_id = arn.rpartition(f"/{kind}s/")[2].partition("/versions/")
    return definition_id, version_id


def _member(identity: Identity, synced: Collection[str]) -> dict[str, Any]:
    return {
        "Id": new_uuid(),
        "ThingArn": identity.thing_arn,
        "CertificateArn": identity.certificate_arn,
        "SyncShadow": identity.thing_name in synced,
    }


def _end(api: CloudApi, name: str) -> str:
    """Return a row's source or target as the API wants it."""
    if name in (CLOUD, SHADOW_SERVICE) or name.startswith("arn:"):
        return name
    arn: str = api.call("iot", "describe_thing", thingName=name)["thingArn"]
    return arn
