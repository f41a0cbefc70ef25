"""ARNs read and print the same; what is not one is refused with what was given."""

import pytest

from hedgerow.kernel import Arn, CallerError, quoted


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:iot:us-east-1:123456789012:thing/line-7",
        "arn:aws:greengrass:eu-central-1:123456789012:/greengrass/groups/a/versions/b",
        "arn:aws:iam::123456789012:user/admin",
        "arn:aws:lambda:us-east-1:123456789012:function:filter:3",
        "arn:aws:lambda:::function:GGIPDetector:1",
        "arn:aws-cn:iot:cn-north-1:123456789012:topic/a:b",
    ],
)
def test_an_arn_reads_and_prints_the_same(text: str) -> None:
    assert str(Arn.parse(text)) == text


def test_the_resource_keeps_its_own_colons() -> None:
    arn = Arn.parse("arn:aws:lambda:us-east-1:123456789012:function:filter:3")
    assert arn.resource == "function:filter:3"


@pytest.mark.parametrize("text", ["", "arn", "arn:aws:iot:us-east-1:1", "urn:aws:iot:r:a:thing/x"])
def test_anything_else_is_refused_and_quoted(text: str) -> None:
    with pytest.raises(CallerError) as refusal:
        Arn.parse(text)
    assert quoted(text) in str(refusal.value)


def test_quoting_escapes_control_characters_and_cuts() -> None:
    assert quoted("a\n\x1b[31m") == "'a\\n\\x1b[31m'"
    assert len(quoted("x" * 10_000)) < 130
