"""Where a private key lies: a file, or an object in a PKCS#11 token (RFC 7512)."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hedgerow.kernel import ConfigurationError, quoted

_FORMS = "file:///absolute/path or pkcs11:object=<label>;type=private"


@dataclass(frozen=True, slots=True)
class FileUri:
    """`file:///absolute/path`."""

    path: Path


@dataclass(frozen=True, slots=True)
class TokenUri:
    """`pkcs11:object=<label>;type=private`; the token itself is named by `crypto.PKCS11`."""

    object_label: str


KeyUri = FileUri | TokenUri


def parse_key_uri(text: str, field: str) -> KeyUri:
    """Read the location of a private key, or raise `ConfigurationError` that names the field."""
    scheme = text.partition(":")[0].lower()
    if scheme == "file":
        return FileUri(parse_file_uri(text, field))
    if scheme == "pkcs11":
        return _parse_token_uri(text, field)
    raise _unknown_scheme(text, field)


def parse_file_uri(text: str, field: str) -> Path:
    """Read a `file:` URI of an absolute path, or raise `ConfigurationError`."""
    parts = urlsplit(text)
    if parts.scheme != "file":
        raise _unknown_scheme(text, field)
    path = unquote(parts.path)
    if parts.netloc not in {"", "localhost"} or not path.startswith("/") or "\0" in path:
        raise ConfigurationError(
            f"{field} is {quoted(text)}, which is not of the form file:///absolute/path"
        )
    return Path(path)


def _parse_token_uri(text: str, field: str) -> TokenUri:
    attributes: dict[str, str] = {}
    for part in text.partition(":")[2].partition("?")[0].split(";"):
        name, separator, value = part.partition("=")
        if not separator or name in attributes:
            raise ConfigurationError(f"{field} is {quoted(text)}; the form is {_FORMS}")
        attributes[name] = unquote(value)
    label = attributes.get("object", "")
    if not label:
        raise ConfigurationError(
            f"{field} is {quoted(text)}, which names no object; add object=<label>"
        )
    if attributes.get("type", "private") != "private":
        raise ConfigurationError(f"{field} is {quoted(text)}, which does not name a private key")
    return TokenUri(label)


def _unknown_scheme(text: str, field: str) -> ConfigurationError:
    return ConfigurationError(
        f"ErrUnknownURIScheme: {field} is {quoted(text)}; use {_FORMS}", code="ErrUnknownURIScheme"
    )
