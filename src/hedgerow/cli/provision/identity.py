"""A thing with its key, certificate and policy: the three things that make it usable."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.provision.checks import is_thing, require_free
from hedgerow.cli.provision.row import Row
from hedgerow.cli.provision.undo import Undo
from hedgerow.contract import CLOUD
from hedgerow.kernel import CallerError
from hedgerow.pki import FileKey, write_public
from hedgerow.policy import (
    core_message_policy,
    core_shadow_policies,
    core_update_policy,
    minimal_core_policy,
    minimal_device_policy,
)

ROOT_CA = "root.ca.pem"
_PENDING_KEY = "pending.private.key"
_HASH_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Identity:
    """A registered thing and the files that prove to be it."""

    thing_name: str
    thing_arn: str
    certificate_arn: str
    certificate_id: str
    certificate_path: Path
    key_path: Path
    root_ca_path: Path

    @property
    def public_key_path(self) -> Path:
        """Where the public half of the key is."""
        return self.key_path.with_name(self.key_path.name.replace(".private.", ".public."))


def make_core_identity(
    api: CloudApi, undo: Undo, folder: Path, thing_name: str, group_id: str, root_ca_pem: str
) -> Identity:
    """Make a core's thing, key, certificate and least-privilege policy; write files to `folder`."""
    policy = minimal_core_policy(
        region=api.region, account=api.account, core_thing_name=thing_name, group_id=group_id
    )
    return _make(api, undo, folder, thing_name, root_ca_pem, policy)


def make_device_identity(
    api: CloudApi, undo: Undo, folder: Path, thing_name: str, root_ca_pem: str
) -> Identity:
    """Make a client device's thing, key, certificate and policy; write files to `folder`."""
    policy = minimal_device_policy(region=api.region, account=api.account, thing_name=thing_name)
    return _make(api, undo, folder, thing_name, root_ca_pem, policy)


def let_core_carry(
    api: CloudApi, undo: Undo, certificate_arn: str, policy_name: str, rows: Sequence[Row]
) -> None:
    """Give a core's certificate the policy to carry the messages of rows to and from the cloud.

    Nothing is done if none of the rows has the cloud at one end.
    """
    to_cloud = [row.topic for row in rows if row.target == CLOUD]
    from_cloud = [row.topic for row in rows if row.source == CLOUD]
    if to_cloud or from_cloud:
        policy = core_message_policy(
            region=api.region, account=api.account, to_cloud=to_cloud, from_cloud=from_cloud
        )
        _attach_policy(api, undo, policy_name, policy, certificate_arn)


def let_core_sync(
    api: CloudApi,
    undo: Undo,
    certificate_arn: str,
    policy_name: str,
    thing_names: Sequence[str],
    *,
    named: bool = False,
) -> None:
    """Give a core's certificate the policies to synchronise the shadows of these things, if any.

    With `named` these are also those for their named shadows.
    """
    if not thing_names:
        return
    policies = core_shadow_policies(
        region=api.region, account=api.account, thing_names=thing_names, named=named
    )
    for number, policy in enumerate(policies, 1):
        name = policy_name if len(policies) == 1 else f"{policy_name}-{number}"
        _attach_policy(api, undo, name, policy, certificate_arn)


def let_core_update(
    api: CloudApi, undo: Undo, certificate_arn: str, policy_name: str, thing_name: str
) -> None:
    """Give a core's certificate the policy to take software updates."""
    policy = core_update_policy(region=api.region, account=api.account, core_thing_name=thing_name)
    _attach_policy(api, undo, policy_name, policy, certificate_arn)


def _make(
    api: CloudApi, undo: Undo, folder: Path, thing_name: str, root_ca_pem: str, policy: str
) -> Identity:
    require_free(folder, thing_name)
    thing_arn = _thing(api, undo, thing_name)
    undo.will_make(folder)
    pending = folder / _PENDING_KEY
    pending.unlink(missing_ok=True)
    undo.wrote(pending)
    key = FileKey.generate_rsa(pending)
    made = api.call(
        "iot",
        "create_certificate_from_csr",
        certificateSigningRequest=_request(key, thing_name),
        setAsActive=True,
    )
    stem = made["certificateId"][:_HASH_DIGITS]
    identity = Identity(
        thing_name=thing_name,
        thing_arn=thing_arn,
        certificate_arn=made["certificateArn"],
        certificate_id=made["certificateId"],
        certificate_path=folder / f"{stem}.cert.pem",
        key_path=folder / f"{stem}.private.key",
        root_ca_path=folder / ROOT_CA,
    )
    _note_certificate(api, undo, identity)
    undo.wrote(identity.key_path)
    pending.rename(identity.key_path)
    for path, content in (
        (identity.public_key_path, _public_pem(key)),
        (identity.certificate_path, made["certificatePem"].encode()),
        (identity.root_ca_path, root_ca_pem.encode()),
    ):
        undo.wrote(path)
        write_public(path, content)
    _attach(api, undo, identity, policy)
    return identity


def _thing(api: CloudApi, undo: Undo, name: str) -> str:
    """Return the ARN of a thing, which is made if there is none."""
    there = is_thing(api, name)
    arn: str = api.call("iot", "create_thing", thingName=name)["thingArn"]
    if not there:
        undo.made(
            f"the thing {name}",
            lambda: api.call("iot", "delete_thing", thingName=name),
            advice=f"delete it: aws iot delete-thing --thing-name {name}",
        )
    return arn


def _note_certificate(api: CloudApi, undo: Undo, identity: Identity) -> None:
    """Let a certificate be taken back: one that nobody knows of must not stay valid."""
    certificate_id = identity.certificate_id

    def take_back() -> None:
        api.call("iot", "update_certificate", certificateId=certificate_id, newStatus="INACTIVE")
        api.call("iot", "delete_certificate", certificateId=certificate_id, forceDelete=True)

    undo.made(
        f"the certificate {certificate_id} of {identity.thing_name}",
        take_back,
        advice=(
            f"deactivate it: aws iot update-certificate --certificate-id {certificate_id} "
            "--new-status INACTIVE"
        ),
    )


def _attach(api: CloudApi, undo: Undo, identity: Identity, document: str) -> None:
    name = f"{identity.thing_name}-policy"
    _attach_policy(api, undo, name, document, identity.certificate_arn)
    ends = {"thingName": identity.thing_name, "principal": identity.certificate_arn}
    api.call("iot", "attach_thing_principal", **ends)
    undo.made(
        f"the certificate's place at {identity.thing_name}",
        lambda: api.call("iot", "detach_thing_principal", **ends),
    )


def _attach_policy(
    api: CloudApi, undo: Undo, name: str, document: str, certificate_arn: str
) -> None:
    try:
        api.call("iot", "create_policy", policyName=name, policyDocument=document)
    except CallerError as error:
        if error.reason_code != "ResourceAlreadyExistsException":
            raise
        _require_same(api, name, document)
    else:
        undo.made(
            f"the policy {name}",
            lambda: api.call("iot", "delete_policy", policyName=name),
            advice=f"delete it: aws iot delete-policy --policy-name {name}",
        )
    ends = {"policyName": name, "target": certificate_arn}
    api.call("iot", "attach_policy", **ends)
    undo.made(f"the hold of the policy {name}", lambda: api.call("iot", "detach_policy", **ends))


def _require_same(api: CloudApi, name: str, document: str) -> None:
    """Accept a policy that an earlier try left, if it says the same."""
    if api.call("iot", "get_policy", policyName=name)["policyDocument"] != document:
        raise CallerError(
            f"the policy {name} exists and says something else; "
            "delete it, or choose another thing name"
        )


def _request(key: FileKey, common_name: str) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name)
        .sign(key.signing_key(), hashes.SHA256())
    )
    return request.public_bytes(serialization.Encoding.PEM).decode()


def _public_pem(key: FileKey) -> bytes:
    pem: bytes = key.public_key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem
