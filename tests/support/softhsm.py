"""A software token (SoftHSM2) with an RSA and an EC key. It protects nothing; it is for tests."""

import os
import shutil
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hedgerow.kernel import Secret
from hedgerow.pki import Token

LABEL = "greengrass"
USER_PIN = "739182"
KEYS = ("rsa key", "ec;key=1", "weak")
_PROVIDERS = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
)
_ENGINES = "/usr/lib/*-linux-gnu/engines-3/pkcs11.so"


def what_is_missing() -> str:
    """Say what this machine lacks for tests with a token; empty if it has everything."""
    missing = []
    if not shutil.which("softhsm2-util") or not any(map(os.path.exists, _PROVIDERS)):
        missing.append("softhsm2")
    if not list(Path("/").glob(_ENGINES.removeprefix("/"))):
        missing.append("libengine-pkcs11-openssl")
    return " and ".join(missing)


def make_token(folder: Path) -> Token:
    """Make a token under the folder, for this process: SoftHSM reads its settings once."""
    tokens = folder / "tokens"
    tokens.mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(
        f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(settings)
    _run("--init-token", "--free", "--label", LABEL, "--so-pin", "0000", "--pin", USER_PIN)
    made: tuple[rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, ...] = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        ec.generate_private_key(ec.SECP256R1()),
        rsa.generate_private_key(public_exponent=65537, key_size=1024),  # noqa: S505 - to refuse
    )
    for number, (label, key) in enumerate(zip(KEYS, made, strict=True), start=1):
        file = folder / "key.pem"
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        where = ("--token", LABEL, "--label", label, "--id", f"{number:02}", "--pin", USER_PIN)
        _run("--import", str(file), *where)
        file.unlink()
    provider = next(path for path in _PROVIDERS if Path(path).exists())
    return Token(Path(provider), LABEL, Secret(USER_PIN))


def _run(*arguments: str) -> None:
    subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True)
