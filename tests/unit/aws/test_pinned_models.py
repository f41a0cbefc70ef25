"""The models of services that AWS has shut down do not depend on what botocore still has."""

from pathlib import Path

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
    (pinned,) = PINNED.glob("*/*/service-2.json.gz")
    own = Path(Loader.BUILTIN_DATA_PATH) / pinned.relative_to(PINNED)
    assert pinned.read_bytes() == own.read_bytes()
