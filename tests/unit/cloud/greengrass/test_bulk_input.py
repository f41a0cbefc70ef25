"""The lines of an input file, and what is said of the first that is wrong."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgerow.aws import AwsError
from hedgerow.cloud.greengrass.bulk_input import InputRecord, check_input, record_at


def line(length: int = 0, **changes: object) -> str:
    members = {"GroupId": "g", "GroupVersionId": "v", "DeploymentType": "NewDeployment", **changes}
    text = json.dumps({name: value for name, value in members.items() if value is not None})
    return text.ljust(length)


def fault(*lines: str) -> str:
    with pytest.raises(AwsError) as refused:
        check_input("\n".join(lines).encode())
    assert refused.value.code == "BadRequestException"
    return refused.value.message


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_records_are_read_one_after_the_other(ending: str) -> None:
    content = (line(GroupId="a") + ending + line(GroupId="b") + ending).encode()
    check_input(content)
    first = record_at(content, 0, 1)
    second = record_at(content, first.next_offset, 2)
    assert (first.group_id, second) == ("a", InputRecord("b", "v", len(content)))
    check_input(content.removesuffix(ending.encode()))


@pytest.mark.spec("P18")
@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (line(GroupId=None), "InvalidInputFile: Missing GroupId at line number: 3"),
        (line(GroupId=""), "InvalidInputFile: Missing GroupId at line number: 3"),
        (line(GroupId=["g"]), "InvalidInputFile: Missing GroupId at line number: 3"),
        (line(GroupVersionId=None), "InvalidInputFile: Missing GroupVersionId at line number: 3"),
        *(
            (
                line(DeploymentType=each),
                (
                    "InvalidInputFile: Invalid deployment type at line number : 3. "
                    "Only valid type is 'NewDeployment'."
                ),
            )
            for each in ("Redeployment", "ResetDeployment", "newdeployment", None, 1)
        ),
        (line(256), "Line 3 is too long in S3 File. Valid line is less than 256 chars."),
        (line(5000), "Line 3 is too long in S3 File. Valid line is less than 256 chars."),
        *(
            (each, "Failed to parse input file at line number: 3")
            for each in ("", "[]", "1", "null", "{", line() + line(), "\ufeff" + line())
        ),
    ],
)
def test_the_first_wrong_line_is_named_in_the_documented_words(wrong: str, text: str) -> None:
    assert fault(line(), line(), wrong, "also wrong") == text


@pytest.mark.spec("P14")
def test_a_line_has_less_than_256_characters_however_many_bytes_they_take() -> None:
    check_input(line(255).encode())
    check_input(line(GroupId="é" * 100).encode().replace(b"\\u00e9", "é".encode()))
    assert fault(line(256)).startswith("Line 1 is too long")


def test_a_file_without_lines_or_with_foreign_bytes_is_no_input() -> None:
    with pytest.raises(AwsError, match="empty"):
        check_input(b"")
    with pytest.raises(AwsError, match="line number: 1"):
        check_input(b"\xff" + line().encode())


@given(st.binary(max_size=2000))
def test_whatever_a_file_holds_it_is_checked_or_refused(content: bytes) -> None:
    with contextlib.suppress(AwsError):
        check_input(content)
