"""What `hedgerow.legacyTls` may say."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from hedgerow.core.app.local_tls import local_tls
from hedgerow.core.config.documents import OptionsDocument
from hedgerow.core.config.legacy_tls import legacy_tls_option
from hedgerow.core.config.load import _options
from hedgerow.kernel import ConfigurationError
from hedgerow.pki import OLD_SUITES, OLD_VERSIONS

CBC = "TLS_RSA_WITH_AES_128_CBC_SHA"
GCM = "TLS_RSA_WITH_AES_128_GCM_SHA256"


def test_nothing_old_and_no_resumption_is_the_default() -> None:
    tls = local_tls(_options({}))
    assert tls.legacy is None
    assert not tls.resume
    assert legacy_tls_option(None) is None


def test_old_tls_is_on_through_the_whole_day_that_is_named() -> None:
    said = {"until": "2027-06-30", "suites": [CBC], "versions": ["TLSv1.1"]}
    legacy = local_tls(_options({"legacyTls": said})).legacy
    assert legacy is not None
    assert (legacy.suites, legacy.versions) == ((CBC,), ("TLSv1.1",))
    assert legacy.is_on(datetime(2027, 6, 30, 23, 59, 59, tzinfo=UTC))
    assert not legacy.is_on(datetime(2027, 7, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({"suites": [CBC]}, "until"),
        ({"until": "some day", "suites": [CBC]}, "until"),
        ({"until": "2027-06-30"}, "suites is empty"),
        ({"until": "2027-06-30", "suites": ["TLS_NULL"]}, "TLS_NULL"),
        ({"until": "2027-06-30", "suites": [CBC], "versions": ["SSLv3"]}, "SSLv3"),
        ({"until": "2027-06-30", "suites": [GCM], "versions": ["TLSv1.0"]}, "CBC"),
        ({"until": "2027-06-30", "suites": [CBC], "forever": True}, "forever"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(said: dict[str, Any], names: str) -> None:
    with pytest.raises(ConfigurationError, match="legacyTls") as refusal:
        _options({"legacyTls": said})
    assert names in refusal.value.message


def test_the_names_are_those_that_tls_knows() -> None:
    for suite in OLD_SUITES:
        assert _options({"legacyTls": {"until": "2027-06-30", "suites": [suite]}}).legacy_tls
    for version in OLD_VERSIONS:
        said = {"until": "2027-06-30", "suites": [CBC], "versions": [version]}
        assert msgspec.convert({"legacyTls": said}, OptionsDocument).legacy_tls
