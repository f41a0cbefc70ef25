"""What must not get in, does not."""

from datetime import datetime, timedelta

from hedgerow.cli.demo.device_v2 import DeviceV2
from hedgerow.cli.demo.observation import Observation
from hedgerow.cli.demo.site import Site
from hedgerow.cli.demo.stranger import Attempt, KeyPair, attempt, make_certificate
from hedgerow.cli.demo.waiting import until
from hedgerow.kernel import SystemClock, UnavailableError

_DAY = timedelta(days=1)
_PASSING_LIFETIME = timedelta(seconds=12)


def wrong_client_id(site: Site) -> Observation:
    """Present A's own certificate under another name."""
    impostor = DeviceV2(site.a.files)
    expected = f"{site.a.name}'s certificate with the client id {site.b.name} is refused"
    try:
        impostor.connect(*site.address, site.core_ca, client_id=site.b.name)
    except Exception as error:  # noqa: BLE001 - the SDK raises errors of its own
        said = str(error)
    else:
        impostor.close()
        return Observation("Wrong client id", expected, "let in", ok=False)
    own = (site.a.files.certificate, site.a.files.key)
    tried = attempt(site.address, site.core_ca, site.b.name, own)
    return Observation(
        "Wrong client id",
        expected,
        f"the core answered {tried.reason}, the SDK said {said}",
        ok=not tried.let_in and tried.reason.startswith("MQTT CONNACK"),
    )


def other_authority(site: Site) -> Observation:
    """Present a certificate with the right subject, of an authority of one's own."""
    authority = make_certificate(
        site.folder, "other-ca", _yesterday(), 30 * _DAY, is_authority=True
    )
    pair = make_certificate(site.folder, "other-leaf", _yesterday(), 30 * _DAY, issuer=authority)
    return _refused(site, "Certificate of another CA", pair)


def self_signed(site: Site) -> Observation:
    """Present a certificate signed by its own key."""
    pair = make_certificate(site.folder, "self-signed", _yesterday(), 30 * _DAY)
    return _refused(site, "Self-signed certificate", pair)


def no_certificate(site: Site) -> Observation:
    """Present nothing."""
    return _refused(site, "No certificate", None)


def registered_while_running(site: Site) -> Observation:
    """Register a certificate of no authority for a member; the core must hear of it and accept."""
    iot, spare = site.aws.iot, site.spare
    pair = make_certificate(site.folder, "passing", _yesterday(), _DAY + _PASSING_LIFETIME)
    registered = iot.register_certificate_without_ca(certificatePem=pair.pem, status="ACTIVE")
    arn = registered["certificateArn"]
    iot.attach_policy(policyName=f"{spare.thing_name}-policy", target=arn)
    iot.attach_thing_principal(thingName=spare.thing_name, principal=arn)
    site.passing = pair
    took = until(lambda: _try(site, pair).let_in, "the core to accept the new certificate", 5)
    return Observation(
        "Certificate registered",
        f"one more certificate of {spare.thing_name} is let in without a deployment",
        f"let in after {took:.1f} s; it expires in {_PASSING_LIFETIME.seconds} s",
        ok=True,
    )


def expired(site: Site) -> Observation:
    """Present the same certificate once it has expired, which the core has to see by itself."""
    pair = site.passing
    if pair is None:
        raise UnavailableError("no certificate was registered that could expire")
    end = pair.certificate.not_valid_after_utc
    clock = SystemClock()
    until(lambda: clock.now() > end, "the certificate to expire", 60)
    return _refused(site, "The same, expired", pair)


def _refused(site: Site, title: str, pair: KeyPair | None) -> Observation:
    tried = _try(site, pair)
    refused_at_tls = not tried.let_in and tried.reason.startswith("TLS alert")
    return Observation(title, "refused at TLS", tried.reason, ok=refused_at_tls)


def _try(site: Site, pair: KeyPair | None) -> Attempt:
    return attempt(site.address, site.core_ca, site.spare.thing_name, pair.files if pair else None)


def _yesterday() -> datetime:
    return SystemClock().now() - _DAY
