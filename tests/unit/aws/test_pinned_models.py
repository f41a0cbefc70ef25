"""The models of services that AWS has shut down do not depend on what botocore still has."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader

from hedgerow.aws.models import PINNED, load_model


@pytest.mark.spec("Z01")
def test_a_botocore_without_greengrass_takes_no_operation_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Loader, "BUILTIN_DATA_PATH", str(tmp_path))
    model = load_model.__wrapped__("greengrass")
    assert model.api_version == "2017-06-07"
    assert len(model.operation_names) == 92


def test_what_is_pinned_is_what_botocore_has_of_that_version() -> None:
    """But for AWS's sentences, which are no part of the contract."""
    (pinned,) = PINNED.glob("*/*/service-2.json")
    own = Path(Loader.BUILTIN_DATA_PATH) / pinned.relative_to(PINNED).with_suffix(".json.gz")
    model = json.loads(gzip.decompress(own.read_bytes()))
    assert json.loads(pinned.read_bytes()) == without_sentences(model)


def without_sentences(value: Any) -> Any:
    """Return a model without its documentation."""
    if isinstance(value, list):
        return list(map(without_sentences, value))
    if not isinstance(value, dict):
        return value
    return {
        name: without_sentences(inner)
        for name, inner in value.items()
        if name != "documentation" or not isinstance(inner, str)
    }
