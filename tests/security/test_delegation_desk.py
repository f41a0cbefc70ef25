"""Who gets an authority of its own: the core of a tagged group, and for its own names only."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from tests.support.cloud import Answer, EnrolledThing, signing_request
from tests.support.core_estate import Estate, core_estate
from tests.support.pki import new_key

from hedgerow.cloud.greengrass.delegation_desk import delegated_days
from hedgerow.contract import (
    DELEGATION_PATH,
    CertificateAnswer,
    CertificateRequest,
    ConnectivityEntry,
    decode,
    encode,
)
from hedgerow.core.certificates.own_authority import permitted_names
from hedgerow.kernel import DeniedError
from hedgerow.pki import FileKey, load_certificate

TAG = "hedgerow:delegated-issuing-days"
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@pytest.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    async with core_estate(tmp_path) as made:
        await _tagged(made, "30")
        await made.cloud.greengrass(
            "create_group_certificate_authority", GroupId=made.group.group_id
        )
        await made.set_addresses("10.0.0.5", "core.example")
        await made.group.deploy()
        yield made


async def _tagged(estate: Estate, days: str) -> None:
    group = await estate.cloud.greengrass("get_group", GroupId=estate.group.group_id)
    await estate.cloud.greengrass("tag_resource", ResourceArn=group["Arn"], tags={TAG: days})


async def _asked(
    estate: Estate,
    who: EnrolledThing,
    key: FileKey | None = None,
    announced: tuple[ConnectivityEntry, ...] = (),
) -> Answer:
    request = CertificateRequest(
        group_id=estate.group.group_id,
        certificate_signing_request=signing_request(
            key or FileKey.generate_rsa_in_memory(), x509.DNSName("bank.example")
        ),
        announced=announced,
    )
    async with estate.cloud.https(who.identity) as https:
        return await https.post(DELEGATION_PATH, encode(request))


async def test_it_is_for_the_cores_own_names_whatever_the_request_says(estate: Estate) -> None:
    answer = await _asked(estate, estate.group.core)
    assert answer.status == 200, answer.body
    certificate = load_certificate(decode(answer.body, CertificateAnswer).certificate)
    assert permitted_names(certificate) == {"10.0.0.5", "core.example", *LOOPBACK}
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.value.ca, basic.value.path_length, basic.critical) == (True, 0, True)
    constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert life.days == 30


async def test_a_device_of_the_group_gets_none(estate: Estate) -> None:
    everything = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", '
    await estate.cloud.edit_policy("A", everything + '"Resource": "*"}]}')
    answer = await _asked(estate, estate.a)
    assert answer.status == 403
    assert "not that of the core" in answer.message


async def test_an_ec_key_is_refused(estate: Estate) -> None:
    answer = await _asked(estate, estate.group.core, new_key())
    assert answer.status == 400
    assert "RSA" in answer.message


async def test_after_a_reset_the_lost_core_gets_none(estate: Estate) -> None:
    await estate.cloud.greengrass("reset_deployments", GroupId=estate.group.group_id, Force=True)
    assert (await _asked(estate, estate.group.core)).status == 403


async def test_what_cannot_be_an_address_cannot_be_announced(estate: Estate) -> None:
    for host in ("*.example", "a b", ""):
        entry = ConnectivityEntry(id="x", host_address=host, port_number=8883)
        answer = await _asked(estate, estate.group.core, announced=(entry,))
        assert answer.status == 400, host


async def test_an_untagged_group_gets_none_and_is_told_how(estate: Estate) -> None:
    group = await estate.cloud.greengrass("get_group", GroupId=estate.group.group_id)
    await estate.cloud.greengrass("untag_resource", ResourceArn=group["Arn"], TagKeys=[TAG])
    answer = await _asked(estate, estate.group.core)
    assert answer.status == 403
    assert "tag-resource" in answer.message


@pytest.mark.parametrize("value", ["", "0", "91", "-1", "7.5", "ten", "\u0667", "1" * 300])
def test_days_are_from_1_to_90(value: str) -> None:
    assert delegated_days({TAG: "90"}) == 90
    with pytest.raises(DeniedError, match="1 to 90"):
        delegated_days({TAG: value})
