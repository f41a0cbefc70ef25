"""Authorities that cores are given, as an account's trail records them."""

from typing import Final

from hedgerow.cloud.cloudtrail import ServiceCall, Trail
from hedgerow.cloud.greengrass import DelegationRecord

_SERVICE: Final = "greengrass.amazonaws.com"


def record_delegation(trail: Trail, record: DelegationRecord) -> None:
    """Record one authority before it leaves. Raises if the trail cannot keep it."""
    trail.record_service_call(
        ServiceCall(
            service=_SERVICE,
            event_source=_SERVICE,
            operation="CreateDelegatedCertificateAuthority",
            input={
                "CoreCertificateId": record.core_certificate_id,
                "PermittedNames": list(record.names),
            },
            output={"CertificateId": record.certificate_id, "NotAfter": record.not_after},
            on_behalf_of=record.group_arn,
        )
    )
