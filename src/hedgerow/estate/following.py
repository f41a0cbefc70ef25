"""Definitions that follow their things: the certificate that they name is one the thing has."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from hedgerow.estate.naming import certificate_arn, certificate_id_of, thing_name_of
from hedgerow.estate.shapes import with_listed
from hedgerow.estate.values import Definition, Estate, Group

_MEMBER_KINDS: Final = frozenset({"Core", "Device"})


def following(group: Group, estate: Estate) -> Group:
    """Return the group with the certificates that its members' things have."""
    attached = {thing.name: dict.fromkeys(thing.certificates) for thing in estate.things}

    def followed(entity: Mapping[str, Any]) -> Mapping[str, Any]:
        own = attached.get(thing_name_of(entity.get("ThingArn")) or "", {})
        if not own or certificate_id_of(entity.get("CertificateArn")) in own:
            return entity
        return {**entity, "CertificateArn": certificate_arn(estate.origin, next(iter(own)))}

    def with_followed(definition: Definition) -> Definition:
        if definition.kind not in _MEMBER_KINDS:
            return definition
        return with_listed(definition, [followed(entity) for entity in definition.listed])

    return msgspec.structs.replace(
        group, definitions=tuple(with_followed(one) for one in group.definitions)
    )
