"""The resources that a call is about: named by the row's templates, and whose they are."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from hedgerow.aws import Asked
from hedgerow.cloud.access.rows import Need, Target
from hedgerow.cloud.access.templates import EntityName, Scope
from hedgerow.cloud.iam import IamDirectory
from hedgerow.cloud.organizations.documents import ORGANIZATION, ORGANIZATION_ID
from hedgerow.store import Store

_ARN_PARTS: Final = 6
_ACCOUNT_PLACE: Final = 4
_KNOWN_SCOPES: Final = 4096


class Resource(msgspec.Struct, frozen=True):
    """One resource of a call. `tagged` is the ARN of what carries its tags, None if nothing does.

    `foreign` says that it belongs to another account; no policy of the caller's can allow it.
    """

    name: str
    tagged: str | None = None
    foreign: bool = False


ANYTHING: Final = (Resource("*"),)
"""What a call is judged on that names no resource: only `*` in a policy covers it."""


class OrganizationIds:
    """Knows the organizations that accounts manage; an id never changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, str] = {}

    async def of(self, account: str) -> str:
        """Return the id of the organization that an account manages, `*` if it manages none."""
        known = self._known.get(account)
        if known is not None:
            return known
        record = await self._store.get(ORGANIZATION, account, ORGANIZATION_ID)
        if record is None:
            return "*"
        self._known[account] = record.document.id
        return record.document.id


class Names:
    """Names the resources of calls. IAM's entities go by their paths, which the directory knows."""

    def __init__(self, directory: IamDirectory, organizations: OrganizationIds) -> None:
        self._directory = directory
        self._organizations = organizations
        self._scopes: dict[tuple[str, str], Scope] = {}

    def plain(self, need: Need, asked: Asked) -> Sequence[Resource]:
        """Return the resources that a permission is needed on; never none.

        Only for a need that is `plain`: the others' names have to be looked up.
        """
        if not need.targets:
            return ANYTHING
        return _all_named(need, asked, self._scope(asked.region, asked.caller.account))

    async def looked_up(self, need: Need, asked: Asked) -> Sequence[Resource]:
        """Return the same for any need."""
        return _all_named(need, asked, await self._full_scope(need, asked))

    async def boundary(self, asked: Asked) -> str:
        """Return the permissions boundary that a call of `iam` sets, or that its subject has.

        It is empty if there is none, so that `iam:PermissionsBoundary` in a condition holds
        administrators who may only act on what is held within that boundary.
        """
        if asked.service != "iam":
            return ""
        given = asked.input.get("PermissionsBoundary")
        if given is not None:
            return str(given)
        estate = await self._directory.estate(asked.caller.account)
        user, role = asked.input.get("UserName"), asked.input.get("RoleName")
        if role is not None:
            held_role = estate.role(role)
            return "" if held_role is None else held_role.document.boundary
        held_user = estate.user(user) if user is not None else None
        return "" if held_user is None else held_user.document.boundary

    def _scope(self, region: str, account: str) -> Scope:
        key = (region, account)
        known = self._scopes.get(key)
        if known is None:
            if len(self._scopes) >= _KNOWN_SCOPES:
                self._scopes.clear()
            known = self._scopes[key] = Scope(region=region, account=account)
        return known

    async def _full_scope(self, need: Need, asked: Asked) -> Scope:
        account = asked.caller.account
        entities: dict[EntityName, str] = {}
        for target in need.targets:
            for entity in target.name.entities(asked.input):
                path = await self._path(account, entity)
                if path is not None:
                    entities[entity] = f"{path}{entity.name}"
        organization = "*"
        if asked.service == "organizations":
            organization = await self._organizations.of(account)
        return Scope(
            region=asked.region,
            account=account,
            caller=_calling_user(asked),
            organization=organization,
            entities=entities,
        )

    async def _path(self, account: str, entity: EntityName) -> str | None:
        match entity.kind:
            case "user":
                user = await self._directory.user(account, entity.name)
                return None if user is None else user.path
            case "group":
                group = await self._directory.group(account, entity.name)
                return None if group is None else group.path
            case "role":
                role = await self._directory.role_named(account, entity.name)
                return None if role is None else role.path
        return None


def _all_named(need: Need, asked: Asked, scope: Scope) -> Sequence[Resource]:
    found: list[Resource] = []
    for target in need.targets:
        found += _named(target, asked, scope)
    return found or ANYTHING


def _named(target: Target, asked: Asked, scope: Scope) -> Iterable[Resource]:
    names = target.name.fill(asked.input, scope)
    if names is None:
        return () if target.optional else ANYTHING
    carriers: Sequence[str | None]
    if target.tagged is None:
        carriers = (None,) * len(names)
    elif target.tagged is target.name:
        carriers = names
    else:
        carriers = target.tagged.fill(asked.input, scope) or (None,) * len(names)
    pairs = zip(names, carriers, strict=True)
    if not target.name.names_whole_arns:
        return [Resource(name, carrier) for name, carrier in pairs]
    account = asked.caller.account
    return [Resource(name, carrier, _foreign(name, account)) for name, carrier in pairs]


def _foreign(name: str, account: str) -> bool:
    """Tell whether a name is an ARN of another account; AWS's own policies are everybody's."""
    parts = name.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS or parts[0] != "arn":
        return False
    return parts[_ACCOUNT_PLACE] not in ("", account) and not name.startswith(_AWS_POLICIES)


_AWS_POLICIES: Final = "arn:aws:iam::aws:policy/"


def _calling_user(asked: Asked) -> str:
    """Return path and name of the user who calls, empty for any other caller."""
    principal = asked.caller.principal
    if principal.kind != "IAMUser":
        return ""
    return principal.arn.partition(":user")[2]
