"""Operations on certificates."""

import asyncio

from cryptography import x509

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iot import attachments, certificates, issuing
from hedgerow.cloud.iot.arns import certificate_arn
from hedgerow.cloud.iot.documents import CERTIFICATE, CertificateStatus
from hedgerow.cloud.iot.service_base import IotOperations, Members, with_token
from hedgerow.pki import certificate_id, load_certificate


class CertificateOperations(IotOperations):
    """CreateKeysAndCertificate to DeleteCertificate."""

    @operation("CreateKeysAndCertificate")
    async def create_keys_and_certificate(self, call: Call) -> Answer:
        """Make a key pair and a certificate; the private key is in this answer and nowhere else."""
        issued = await asyncio.to_thread(issuing.issue_with_new_key, self._authority)
        registered = await self._register_issued(issued.certificate_pem, call)
        return {
            **registered,
            "keyPair": {
                "PublicKey": issued.public_key_pem,
                "PrivateKey": issued.private_key_pem.reveal(),
            },
        }

    @operation("CreateCertificateFromCsr")
    async def create_certificate_from_csr(self, call: Call) -> Answer:
        """Make a certificate over a key that never left its owner."""
        pem = await asyncio.to_thread(
            issuing.issue_from_csr, self._authority, call.input["certificateSigningRequest"]
        )
        return await self._register_issued(pem, call)

    @operation("RegisterCertificateWithoutCA")
    async def register_certificate_without_ca(self, call: Call) -> Answer:
        """Trust exactly this certificate, whoever signed it; nothing else of its authority."""
        status = certificates.assignable_status(call.input.get("status", "INACTIVE"))
        pem = call.input["certificatePem"]
        certificate = issuing.read_foreign_certificate(pem, self._clock.now())
        answer = await self._register(certificate, status, issued_here=False)
        return {name: answer[name] for name in ("certificateArn", "certificateId")}

    @operation("DescribeCertificate")
    async def describe_certificate(self, call: Call) -> Answer:
        """Return a certificate with its status and validity."""
        record = await certificates.existing(self._store, self._home, call.input["certificateId"])
        return {"certificateDescription": certificates.describe(self._home, record)}

    @operation("ListCertificates")
    async def list_certificates(self, call: Call) -> Answer:
        """Return a page of certificates, oldest first."""
        page = await self._page(CERTIFICATE, call.input.get("pageSize"), call.input.get("marker"))
        rows = [certificates.listed(self._home, record) for record in page.records]
        return with_token({"certificates": rows}, "nextMarker", page.next_token)

    @operation("UpdateCertificate")
    async def update_certificate(self, call: Call) -> Answer:
        """Activate, deactivate or revoke a certificate."""
        async with self._writing() as tx:
            await certificates.update_status(
                tx, self._home, call.input["certificateId"], call.input["newStatus"]
            )
        return None

    @operation("DeleteCertificate")
    async def delete_certificate(self, call: Call) -> Answer:
        """Delete a certificate that is not ACTIVE and not attached."""
        async with self._writing() as tx:
            record = await certificates.existing(tx, self._home, call.input["certificateId"])
            certificates.require_deletable(record, force=bool(call.input.get("forceDelete")))
            arn = certificate_arn(self._home, record.id)
            for policy in record.document.policies:
                await attachments.detach_policy(tx, self._home, policy, arn)
            await tx.delete(await certificates.existing(tx, self._home, record.id))
        return None

    async def _register_issued(self, pem: str, call: Call) -> Members:
        status: CertificateStatus = "ACTIVE" if call.input.get("setAsActive") else "INACTIVE"
        return await self._register(load_certificate(pem), status, issued_here=True)

    async def _register(
        self, certificate: x509.Certificate, status: CertificateStatus, *, issued_here: bool
    ) -> Members:
        identifier = certificate_id(certificate)
        document = certificates.registered(certificate, status, issued_here=issued_here)
        async with self._writing() as tx:
            await certificates.register(tx, self._home, identifier, document)
        return {
            "certificateArn": certificate_arn(self._home, identifier),
            "certificateId": identifier,
            "certificatePem": document.pem,
        }
