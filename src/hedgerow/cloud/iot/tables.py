"""What the device directory knows, and its answers. Pure: documents go in, decisions come out."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.admission import (
    AdmittedDevice,
    CertificateFacts,
    admitted_device,
    bound_thing,
    needs_own_policy,
    require_admissible,
)
from hedgerow.cloud.iot.documents import CaCertificate, Certificate, Thing, ThingGroup
from hedgerow.kernel import DeniedError
from hedgerow.pki import Trust, is_loadable
from hedgerow.policy import (
    AccessRequest,
    Context,
    Decision,
    Explanation,
    NamedPolicy,
    connection_variables,
    context,
    decide,
    explain,
)

_CLIENT_ID = "iot:clientid"
NOTHING = context({})


class DirectoryTables:
    """Certificates, policies, things and thing groups, with indexes both ways.

    INVARIANT: a policy that is attached but not known here (unreadable, malformed) admits nobody.
    """

    def __init__(self, home: Home, device_authorities: Sequence[str]) -> None:
        self._home = home
        self._device_authorities = tuple(device_authorities)
        self._certificates: dict[str, CertificateFacts] = {}
        self._policies: dict[str, NamedPolicy] = {}
        self._things: dict[str, Thing] = {}
        self._groups: dict[str, tuple[str, ...]] = {}
        self._by_thing: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._by_policy: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._by_group: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._admitted: dict[str, AdmittedDevice] = {}
        self._pending: set[str] = set()
        self._registering: dict[str, str] = {}
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

    def put_authority(self, ca_id: str, authority: CaCertificate | None) -> bool:
        """Replace (None: forget) a registered CA; return whether the trust anchors changed.

        One that no context can load is left out: the doors, which all accounts share, need theirs.
        """
        before = self._registering.pop(ca_id, None)
        if authority is not None and _registers(authority):
            self._registering[ca_id] = authority.pem
        changed = before != self._registering.get(ca_id)
        if changed:
            self._trust = None
        return changed

    def thing_type(self, thing_name: str) -> str:
        """Return the type of a thing, or nothing."""
        thing = self._things.get(thing_name)
        return "" if thing is None else thing.thing_type

    def is_registered(self, certificate_id: str) -> bool:
        """Tell whether a certificate is registered, whatever its status."""
        return certificate_id in self._certificates

    @property
    def registering_authorities(self) -> Mapping[str, str]:
        """The CAs (id, PEM) whose certificates are registered at their first connection."""
        return self._registering

    @property
    def pending(self) -> Collection[str]:
        """The certificates that were registered so, and that nobody has activated yet."""
        return self._pending

    def put_policy(self, name: str, policy: NamedPolicy | None) -> None:
        """Replace (None: forget) a policy."""
        self._forget_proofs(self.holders_of(name))
        if policy is None:
            self._policies.pop(name, None)
        else:
            self._policies[name] = policy

    def put_thing(self, name: str, thing: Thing | None) -> None:
        """Replace (None: forget) a thing."""
        self._forget_proofs(self.certificates_of(name))
        before = self._things.pop(name, None)
        for group in before.groups if before is not None else ():
            _discard(self._by_group, group, name)
        if thing is not None and (thing.attributes or thing.groups or thing.thing_type):
            self._things[name] = thing
            for group in thing.groups:
                self._by_group[group][name] = None

    def put_group(self, name: str, group: ThingGroup | None) -> None:
        """Replace (None: forget) a thing group."""
        self._forget_proofs(self.in_group(name))
        if group is None or not group.policies:
            self._groups.pop(name, None)
        else:
            self._groups[name] = group.policies

    def things_of(self, certificate_id: str) -> tuple[str, ...]:
        """Return the things a certificate is attached to, whatever its status."""
        facts = self._certificates.get(certificate_id)
        return () if facts is None else facts.things

    def certificates_of(self, thing_name: str) -> tuple[str, ...]:
        """Return the ids of the certificates attached to a thing, whatever their status."""
        return tuple(self._by_thing.get(thing_name, ()))

    def holders_of(self, policy_name: str) -> tuple[str, ...]:
        """Return the ids of the certificates a policy holds for, itself or by a thing group."""
        holders = dict.fromkeys(self._by_policy.get(policy_name, ()))
        for group, policies in self._groups.items():
            if policy_name in policies:
                holders.update(dict.fromkeys(self.in_group(group)))
        return tuple(holders)

    def in_group(self, group_name: str) -> tuple[str, ...]:
        """Return the ids of the certificates of a thing group's things."""
        things = self._by_group.get(group_name, ())
        return tuple({one: None for thing in things for one in self.certificates_of(thing)})

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
            self._readable_policies(facts.policies),
            self._readable_policies(self._group_policies_of(facts.things)),
        )
        self._admitted[certificate_id] = device
        return device

    def authorize(
        self,
        certificate_id: str,
        action: str,
        resource: str,
        client_id: str | None,
        more: Context = NOTHING,
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
        if more:
            variables = context({**variables, **more})
        request = AccessRequest(action=action, resource=resource, variables=variables)
        decision = decide((*device.policies, *device.group_policies), request)
        if decision.allowed and needs_own_policy(action):
            return decide(device.policies, request)
        return decision

    def explain(
        self,
        certificate_id: str,
        action: str,
        resource: str,
        client_id: str | None,
        *,
        added: Sequence[NamedPolicy] = (),
        skipped: Collection[str] = (),
    ) -> Explanation:
        """Return the decision of `authorize` with all its reasons.

        `added` policies count as attached to the certificate, those with a `skipped` name not at
        all. Raises `DeniedError` for a certificate that may not come in.
        """
        device = self.admit(certificate_id)
        own = (*(one for one in device.policies if one.name not in skipped), *added)
        of_groups = tuple(one for one in device.group_policies if one.name not in skipped)
        variables = self._variables(device, client_id or "")
        request = AccessRequest(action=action, resource=resource, variables=variables)
        explanation = explain((*own, *of_groups), request)
        if explanation.decision.allowed and needs_own_policy(action):
            return explain(own, request)
        return explanation

    def group_policies_of(self, things: Iterable[str]) -> tuple[str, ...]:
        """Return the names of the policies that things have by their groups."""
        return tuple(self._group_policies_of(things))

    def trust_anchors(self) -> Trust:
        """Return our device authorities, and the ACTIVE certificates registered without theirs.

        Authorities whose certificates register themselves are among them: who has such a
        certificate may finish a handshake, and no more.
        """
        if self._trust is None:
            anchors = (self._anchor(certificate_id) for certificate_id in self._certificates)
            foreign = (anchor for anchor in anchors if anchor is not None)
            self._trust = Trust(
                authorities=(*self._device_authorities, *self._registering.values()),
                exact=tuple(foreign),
            )
        return self._trust

    def _variables(self, device: AdmittedDevice, client_id: str) -> Context:
        thing = bound_thing(device.things, client_id)
        known = self._things.get(thing) if thing is not None else None
        variables = connection_variables(
            client_id=thing or client_id,
            thing_name=thing,
            certificate_id=device.certificate_id,
            attached=thing is not None,
            thing_type_name=known.thing_type if known is not None else None,
            attributes=known.attributes if known is not None else None,
        )
        # A core's further connections are bound to the thing under a client id of their own.
        return context({**variables, _CLIENT_ID: client_id}) if thing is not None else variables

    def _group_policies_of(self, things: Iterable[str]) -> Iterable[str]:
        known = (self._things[thing] for thing in things if thing in self._things)
        groups = {group: None for thing in known for group in thing.groups}
        return {policy: None for group in groups for policy in self._groups.get(group, ())}

    def _readable_policies(self, names: Iterable[str]) -> tuple[NamedPolicy, ...]:
        return tuple(self._readable_policy(name) for name in names)

    def _readable_policy(self, name: str) -> NamedPolicy:
        policy = self._policies.get(name)
        if policy is None:
            raise DeniedError(
                f"the attached policy {name} cannot be read, so nothing is allowed; "
                "set a sound default version or detach it"
            )
        return policy

    def _forget_proofs(self, certificate_ids: Iterable[str]) -> None:
        for certificate_id in certificate_ids:
            self._admitted.pop(certificate_id, None)

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
        if certificate.status == "PENDING_ACTIVATION":
            self._pending.add(certificate_id)
        for thing in certificate.things:
            self._by_thing[thing][certificate_id] = None
        for policy in certificate.policies:
            self._by_policy[policy][certificate_id] = None

    def _forget_certificate(self, certificate_id: str) -> None:
        facts = self._certificates.pop(certificate_id, None)
        self._admitted.pop(certificate_id, None)
        self._pending.discard(certificate_id)
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


def _registers(authority: CaCertificate) -> bool:
    is_meant = authority.status == "ACTIVE" and authority.auto_registration
    return is_meant and is_loadable(authority.pem)
