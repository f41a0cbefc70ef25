"""Keys of a core: RSA or EC towards the cloud, P-256 or P-384 for an EC key of the local server."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.support.cloud_double import cloud_double, json_answer
from tests.support.core_link import LinkedCore
from tests.support.local_server import local_server
from tests.support.pki import Identity, new_identity, new_key

from hedgerow.core.config import FileUri, TokenUri
from hedgerow.core.link import CloudHttp, LinkIdentity, load_key
from hedgerow.kernel import ConfigurationError, SystemClock
from hedgerow.pki import FileKey, write_private


@pytest.mark.spec("A07")
@pytest.mark.parametrize("kind", ["RSA", "EC"])
async def test_a_core_proves_itself_with_an_rsa_or_an_ec_key(tmp_path: Path, kind: str) -> None:
    async with cloud_double() as cloud:
        key = FileKey.generate_rsa_in_memory() if kind == "RSA" else new_key()
        cloud.identity = Identity(
            key, new_identity(cloud.keys.device_ca, None, key).certificate_pem
        )
        cloud.slot.replace(cloud.context(trusting=(cloud.identity.certificate_pem,)))
        cloud.answers["GET"] = json_answer({"ConnectivityInfo": []})
        core = LinkedCore(cloud, tmp_path)
        identity = LinkIdentity.load(core.config)
        assert identity.key.algorithm == kind
        async with CloudHttp(core.config, identity, SystemClock()) as http:
            await http.connectivity()
        assert len(cloud.requests) == 1
        async with core.running() as link:
            await link.wait_connected()


def key_file(folder: Path, curve: ec.EllipticCurve) -> FileUri:
    path = folder / "server.key"
    pem = ec.generate_private_key(curve).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    write_private(path, pem)
    return FileUri(path)


@pytest.mark.spec("A10")
@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()], ids=lambda one: one.name)
async def test_a_server_key_on_p_256_or_p_384_serves(
    tmp_path: Path, curve: ec.EllipticCurve
) -> None:
    key = load_key(key_file(tmp_path, curve), None)
    assert isinstance(key, FileKey)
    async with local_server("A") as local:
        local.renew_certificate(key)
        async with await local.connected(local.double.devices[0]):
            pass


@pytest.mark.spec("A10")
@pytest.mark.parametrize(
    "curve", [ec.SECP521R1(), ec.SECP256K1(), ec.SECP224R1()], ids=lambda one: one.name
)
def test_a_server_key_on_another_curve_is_refused_by_name(
    tmp_path: Path, curve: ec.EllipticCurve
) -> None:
    with pytest.raises(ConfigurationError, match=f"{curve.name}.*P-256 or P-384"):
        load_key(key_file(tmp_path, curve), None)


def test_a_key_in_a_token_that_is_not_configured_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"iotkey.*crypto\.PKCS11"):
        load_key(TokenUri("iotkey"), None)
