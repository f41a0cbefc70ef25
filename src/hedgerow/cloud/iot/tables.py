"""What the device directory knows, and its answers. Pure: documents go in, decisions come out."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.admission import (
    AdmittedDevice,
    CertificateFacts,
    admitted_device,
    bound_thing,
    require_admissible,
)
from hedgerow.cloud.iot.documents import Certificate, Thing
from hedgerow.kernel import DeniedError
from hedgerow.pki import Trust
from hedgerow.policy import AccessRequest, Decision, NamedPolicy, connection_variables, decide

_CLIENT_ID = "iot:ClientId"


class DirectoryTables:
    """Certificates, policies and attributes of things, with indexes both ways.

    INVARIANT: a policy that is attached but not known here (unreadable, malformed) admits nobody.
    """

    def __init__(self, home: Home, device_authorities: Sequence[str]) -> None:
        self._home = home
        self._device_authorities = tuple(device_authorities)
        self._certificates: dict[str, CertificateFacts] = {}
        self._policies: dict[str, NamedPolicy] = {}
        self._attributes: dict[str, Mapping[str, str]] = {}
        self._by_thing: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._by_policy: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._admitted: dict[str, AdmittedDevice] = {}
        self._trust: Trust | None = None

    def put_certificate(self, certificate_id: str, certificate: Certificate | None) -> bool:
        """Replace (None: forget) a certificate; return whether the trust anchors changed."""
        before = self._anchor(certificate_id)
        self._forget_certificate(certificate_id)
        if certificate is not None:
            self._learn_certificate(certificate_id, certificate)
        changed = before != self._anchor(certificate_id)
        if changed:
            self._trust = None
        return changed

    def put_policy(self, name: str, policy: NamedPolicy | None) -> None:
        """Replace (None: forget) a policy."""
        for certificate_id in self.holders_of(name):
            self._admitted.pop(certificate_id, None)
        if policy is None:
            self._policies.pop(name, None)
        else:
            self._policies[name] = policy

    def put_thing(self, name: str, thing: Thing | None) -> None:
        """Replace (None: forget) the attributes of a thing."""
        if thing is None or not thing.attributes:
            self._attributes.pop(name, None)
        else:
            self._attributes[name] = thing.attributes

    def things_of(self, certificate_id: str) -> tuple[str, ...]:
        """Return the things a certificate is attached to, whatever its status."""
        facts = self._certificates.get(certificate_id)
        return () if facts is None else facts.things

    def certificates_of(self, thing_name: str) -> tuple[str, ...]:
        """Return the ids of the certificates attached to a thing, whatever their status."""
        return tuple(self._by_thing.get(thing_name, ()))

    def holders_of(self, policy_name: str) -> tuple[str, ...]:
        """Return the ids of the certificates a policy is attached to."""
        return tuple(self._by_policy.get(policy_name, ()))

    def admit(self, certificate_id: str) -> AdmittedDevice:
        """Return the proof that this certificate's holder may come in, or raise `DeniedError`."""
        known = self._admitted.get(certificate_id)
        if known is not None:
            return known
        facts = require_admissible(certificate_id, self._certificates.get(certificate_id))
        device = admitted_device(
            self._home.account,
            self._home.region,
            certificate_id,
            facts.things,
            tuple(self._readable_policy(name) for name in facts.policies),
        )
        self._admitted[certificate_id] = device
        return device

    def authorize(
        self, certificate_id: str, action: str, resource: str, client_id: str | None
    ) -> Decision:
        """Decide by what is so now; a certificate that is not admitted is denied, with reason."""
        try:
            device = self.admit(certificate_id)
        except DeniedError as error:
            return Decision(
                allowed=False,
                effect="implicit-deny",
                policy=None,
                statement=None,
                reason=error.message,
            )
        variables = self._variables(device, client_id or "")
        request = AccessRequest(action=action, resource=resource, variables=variables)
        return decide(device.policies, request)

    def trust_anchors(self) -> Trust:
        """Return our device authorities, and the ACTIVE certificates registered without theirs."""
        if self._trust is None:
            anchors = (self._anchor(certificate_id) for certificate_id in self._certificates)
            foreign = (anchor for anchor in anchors if anchor is not None)
            self._trust = Trust(anchors=(*self._device_authorities, *foreign))
        return self._trust

    def _variables(self, device: AdmittedDevice, client_id: str) -> Mapping[str, str]:
        thing = bound_thing(device.things, client_id)
        variables = connection_variables(
            client_id=thing or client_id,
            thing_name=thing,
            certificate_id=device.certificate_id,
            attached=thing is not None,
            attributes=self._attributes.get(thing) if thing is not None else None,
        )
        # A core's further connections are bound to the thing under a client id of their own.
        return {**variables, _CLIENT_ID: client_id} if thing is not None else variables

    def _readable_policy(self, name: str) -> NamedPolicy:
        policy = self._policies.get(name)
        if policy is None:
            raise DeniedError(
                f"the attached policy {name} cannot be read, so nothing is allowed; "
                "set a sound default version or detach it"
            )
        return policy

    def _anchor(self, certificate_id: str) -> str | None:
        facts = self._certificates.get(certificate_id)
        return facts.anchor_pem if facts is not None and facts.active else None

    def _learn_certificate(self, certificate_id: str, certificate: Certificate) -> None:
        self._certificates[certificate_id] = CertificateFacts(
            active=certificate.status == "ACTIVE",
            status=certificate.status,
            things=certificate.things,
            policies=certificate.policies,
            anchor_pem=None if certificate.issued_here else certificate.pem,
        )
        for thing in certificate.things:
            self._by_thing[thing][certificate_id] = None
        for policy in certificate.policies:
            self._by_policy[policy][certificate_id] = None

    def _forget_certificate(self, certificate_id: str) -> None:
        facts = self._certificates.pop(certificate_id, None)
        self._admitted.pop(certificate_id, None)
        if facts is not None:
            for thing in facts.things:
                _discard(self._by_thing, thing, certificate_id)
            for policy in facts.policies:
                _discard(self._by_policy, policy, certificate_id)


def _discard(index: dict[str, dict[str, None]], key: str, member: str) -> None:
    members = index[key]
    members.pop(member, None)
    if not members:
        del index[key]
