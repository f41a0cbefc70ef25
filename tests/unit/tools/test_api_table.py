"""docs/api.md is current, and no operation is without a test of its good case and a bad one."""

from pathlib import Path

import pytest
from tools import api
from tools.conformance import is_current

from hedgerow.aws.models import load_model

CANNOT_BE_ASKED_WRONGLY = {"DisassociateServiceRoleFromAccount"}
"""It takes no input, and taking away what is not there is no error."""


def test_the_committed_table_is_current() -> None:
    assert is_current(api.DOCUMENT, api.document(api.ROOT)), "run 'make docs'"


@pytest.mark.spec("Z01")
@pytest.mark.parametrize("mark", api.MARKS)
def test_every_operation_has_its_tests(mark: str) -> None:
    model = load_model(api.MODEL)
    wanted = set(model.operation_names)
    if mark == "refusal":
        wanted -= CANNOT_BE_ASKED_WRONGLY
    assert len(model.operation_names) == 92
    assert wanted - api.tests_of(mark, model, api.ROOT).keys() == set()


def test_a_mark_for_an_unknown_operation_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    test = tmp_path / "tests" / "test_a.py"
    test.write_text("@pytest.mark.operation('Create*Definition', 'GetGroup')\ndef test_a(): ...")
    found = api.tests_of("operation", load_model(api.MODEL), tmp_path)
    assert len(found) == 8
    assert found["GetGroup"] == ["tests/test_a.py::test_a"]
    test.write_text("@pytest.mark.operation('MakeGroup')\ndef test_a(): ...")
    with pytest.raises(api.UnknownOperationError, match="MakeGroup"):
        api.tests_of("operation", load_model(api.MODEL), tmp_path)
