"""Keys that were made here and come back out of an encrypted store."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from hedgerow.kernel import CallerError, Secret
from hedgerow.pki import FileKey


def test_a_stored_key_signs_as_the_one_that_was_kept() -> None:
    """What it signs is verified by the public half of the first."""
    made = FileKey.generate_rsa_in_memory()
    again = FileKey.from_own_store(made.pem())
    public = made.public_key
    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(again.sign(b"a word"), b"a word", padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        public.verify(again.sign(b"a word"), b"another", padding.PKCS1v15(), hashes.SHA256())


def test_what_is_no_key_is_refused_there_too() -> None:
    """The form is read as strictly as anybody's, and the text is not quoted."""
    with pytest.raises(CallerError) as caught:
        FileKey.from_own_store(Secret("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n"))
    assert "c2VjcmV0" not in str(caught.value)
