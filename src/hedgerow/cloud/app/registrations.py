"""Registrations at the first connection, as an account's trail records them."""

from typing import Final

from hedgerow.cloud.cloudtrail import ServiceCall, Trail
from hedgerow.cloud.iot import Registration

_SERVICE: Final = "iot.amazonaws.com"


def record_registration(trail: Trail, registration: Registration) -> None:
    """Record one registration before it is kept. Raises if the trail cannot keep the record."""
    trail.record_service_call(
        ServiceCall(
            service=_SERVICE,
            event_source=_SERVICE,
            operation="RegisterCertificate",
            input={"certificateId": registration.certificate_id, "status": "PENDING_ACTIVATION"},
            output={"certificateId": registration.certificate_id},
            on_behalf_of=registration.ca_arn,
        )
    )
