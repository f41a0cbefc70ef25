"""A group authority that delegates, and the cloud that gives a core one of its own."""

from dataclasses import dataclass, field
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from hedgerow.contract import (
    CertificateAnswer,
    CertificateRequest,
    ConnectivityEntry,
    ConnectivityInfo,
)
from hedgerow.kernel import Clock, HedgerowError
from hedgerow.pki import (
    CertificateAuthority,
    FileKey,
    group_authority,
    load_certificate,
    load_csr,
    server_certificate,
)
from hedgerow.pki.profiles import delegated_authority

HOSTS = ("127.0.0.1", "core.example")


def delegating_group_authority(clock: Clock) -> CertificateAuthority:
    """Return a group's authority as it is made while the group is tagged."""
    key = FileKey(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    profile = group_authority("group", delegates=True)
    return CertificateAuthority.create_root(key, "group", clock, profile=profile)


@dataclass
class DelegatingCloud:
    """Issues as the certificate desk does; a failure is raised instead of any answer."""

    authority: CertificateAuthority
    hosts: tuple[str, ...] = HOSTS
    days: int = 90
    failure: HedgerowError | None = None
    refusal: HedgerowError | None = None
    issued: list[str] = field(default_factory=list)

    async def connectivity(self) -> ConnectivityInfo:
        self._fail()
        return ConnectivityInfo(
            connectivity_info=tuple(
                ConnectivityEntry(id=host, host_address=host, port_number=8883)
                for host in self.hosts
            )
        )

    async def server_certificate(self, request: CertificateRequest) -> CertificateAnswer:
        self._fail()
        profile = server_certificate(self.hosts, timedelta(days=7))
        return self._answer(self.authority.issue(profile, _csr(request)))

    async def own_authority(self, request: CertificateRequest) -> CertificateAnswer:
        self._fail()
        if self.refusal is not None:
            raise self.refusal
        profile = delegated_authority("core", self.hosts, timedelta(days=self.days))
        return self._answer(self.authority.issue(profile, _csr(request)))

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _answer(self, pem: str) -> CertificateAnswer:
        self.issued.append(pem)
        return CertificateAnswer(
            certificate=pem,
            authority=self.authority.certificate_pem,
            not_after=load_certificate(pem).not_valid_after_utc,
        )


def _csr(request: CertificateRequest) -> x509.CertificateSigningRequest:
    return load_csr(request.certificate_signing_request)
