"""Operations on registered certificate authorities, and on what they have signed."""

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iot import ca_certificates, certificates, issuing
from hedgerow.cloud.iot.arns import ca_certificate_arn, certificate_arn
from hedgerow.cloud.iot.documents import CA_CERTIFICATE, CERTIFICATE
from hedgerow.cloud.iot.faults import invalid_request
from hedgerow.cloud.iot.service_base import IotOperations, page_of, with_token
from hedgerow.pki import certificate_id


class CaCertificateOperations(IotOperations):
    """GetRegistrationCode to ListCertificatesByCA."""

    @operation("GetRegistrationCode")
    async def get_registration_code(self, _call: Call) -> Answer:
        """Return what a verification certificate has to have as its common name."""
        async with self._writing() as tx:
            return {"registrationCode": await ca_certificates.registration_code(tx, self._home)}

    @operation("DeleteRegistrationCode")
    async def delete_registration_code(self, _call: Call) -> Answer:
        """Forget the code: what was made with it proves nothing any more."""
        async with self._writing() as tx:
            await ca_certificates.forget_registration_code(tx, self._home)
        return {}

    @operation("RegisterCACertificate")
    async def register_ca_certificate(self, call: Call) -> Answer:
        """Register an authority whose certificates can then be registered."""
        async with self._writing() as tx:
            identifier = await ca_certificates.register(
                tx, self._home, call.input, self._clock.now()
            )
        return {
            "certificateArn": ca_certificate_arn(self._home, identifier),
            "certificateId": identifier,
        }

    @operation("DescribeCACertificate")
    async def describe_ca_certificate(self, call: Call) -> Answer:
        """Return an authority."""
        record = await ca_certificates.existing(
            self._store, self._home, call.input["certificateId"]
        )
        return {"certificateDescription": ca_certificates.described(self._home, record)}

    @operation("ListCACertificates")
    async def list_ca_certificates(self, call: Call) -> Answer:
        """Return a page of authorities, oldest first."""
        if call.input.get("templateName") is not None:
            return {"certificates": []}
        page = await self._page(
            CA_CERTIFICATE, call.input.get("pageSize"), call.input.get("marker")
        )
        rows = [ca_certificates.listed(self._home, record) for record in page.records]
        return with_token({"certificates": rows}, "nextMarker", page.next_token)

    @operation("UpdateCACertificate")
    async def update_ca_certificate(self, call: Call) -> Answer:
        """Activate or deactivate an authority."""
        async with self._writing() as tx:
            await ca_certificates.update(tx, self._home, call.input)
        return None

    @operation("DeleteCACertificate")
    async def delete_ca_certificate(self, call: Call) -> Answer:
        """Forget an authority that is INACTIVE."""
        async with self._writing() as tx:
            await ca_certificates.delete(tx, self._home, call.input["certificateId"])
        return {}

    @operation("RegisterCertificate")
    async def register_certificate(self, call: Call) -> Answer:
        """Register a certificate that a registered, ACTIVE authority has signed."""
        active = "ACTIVE" if call.input.get("setAsActive") else "INACTIVE"
        if call.input.get("setAsActive") is not None and call.input.get("status") is not None:
            raise invalid_request("Give either status or setAsActive, not both.")
        status = certificates.assignable_status(call.input.get("status", active))
        certificate = issuing.read_foreign_certificate(
            call.input["certificatePem"], self._clock.now()
        )
        async with self._writing() as tx:
            authority = await ca_certificates.signer(
                tx, self._home, certificate, call.input.get("caCertificatePem")
            )
            identifier = certificate_id(certificate)
            document = certificates.registered(
                certificate, status, issued_here=False, ca_id=authority.id
            )
            await certificates.register(tx, self._home, identifier, document)
        return {
            "certificateArn": certificate_arn(self._home, identifier),
            "certificateId": identifier,
        }

    @operation("ListCertificatesByCA")
    async def list_certificates_by_ca(self, call: Call) -> Answer:
        """Return a page of the certificates that were registered under an authority."""
        wanted = call.input["caCertificateId"]
        records = {
            record.id: record
            for record in await self._store.all(CERTIFICATE, self._home.account)
            if record.document.ca_id == wanted
        }
        shown, token = page_of(list(records), call.input.get("pageSize"), call.input.get("marker"))
        rows = [certificates.listed(self._home, records[identifier]) for identifier in shown]
        return with_token({"certificates": rows}, "nextMarker", token)
