"""The names that an action can be judged on, out of the table of permissions."""

import pytest

from hedgerow.cli.why.judged_on import forms_of, meant

_KNOWN = {"region": "eu-west-1", "account": "123456789012"}
_GREENGRASS = "arn:aws:greengrass:eu-west-1:123456789012:"
_IOT = "arn:aws:iot:eu-west-1:123456789012:"
_IAM = "arn:aws:iam::123456789012:"
_GROUP = f"{_GREENGRASS}/greengrass/groups/G"


@pytest.mark.parametrize(
    ("action", "resource", "fits"),
    [
        ("greengrass:CreateDeployment", _GROUP, True),
        ("greengrass:CreateDeployment", f"{_GROUP}/deployments", False),
        ("greengrass:CreateDeployment", f"{_GREENGRASS}groups/G", False),
        ("greengrass:CreateDeployment", f"{_IOT}G", False),
        ("greengrass:GetGroupVersion", f"{_GROUP}/versions/V", True),
        ("greengrass:GetGroupVersion", _GROUP, False),
        ("greengrass:TagResource", _GROUP, True),
        ("greengrass:TagResource", f"{_GREENGRASS}groups/G", False),
        ("iam:PassRole", f"{_IAM}role/line/Line_GroupRole", True),
        ("iam:PassRole", f"{_IAM}user/ada", False),
        ("iam:AttachUserPolicy", f"{_IAM}user/line/ada", True),
        ("iam:AttachUserPolicy", f"{_IAM}ada", False),
        ("iam:CreateUser", f"{_IAM}user/ada", True),
        ("iam:CreateUser", f"{_IAM}user/line/ada", True),
        ("iam:CreatePolicyVersion", f"{_IAM}policy/line", True),
        ("iam:CreatePolicyVersion", f"{_IAM}role/line", False),
        ("iot:DescribeThing", f"{_IOT}thing/press", True),
        ("iot:DescribeThing", f"{_IOT}press", False),
        ("iot:Publish", f"{_IOT}topic/line/1", True),
        ("sts:AssumeRole", f"{_IAM}role/operator", True),
    ],
)
def test_an_action_is_judged_on_names_of_its_own_form(
    action: str, resource: str, *, fits: bool
) -> None:
    assert any(form.fits(resource) for form in forms_of(action)) is fits


@pytest.mark.parametrize(
    ("action", "resource", "wanted"),
    [
        ("greengrass:CreateDeployment", f"{_GROUP}/deployments", _GROUP),
        ("greengrass:CreateDeployment", f"{_GREENGRASS}groups/G", _GROUP),
        ("greengrass:CreateDeployment", f"{_IOT}G", _GROUP),
        ("greengrass:GetGroupVersion", _GROUP, None),
        ("iot:DescribeThing", f"{_IOT}press", f"{_IOT}thing/press"),
        ("iam:AttachUserPolicy", f"{_IAM}ada", f"{_IAM}user/ada"),
    ],
)
def test_what_was_meant_is_named_if_the_form_says_it(
    action: str, resource: str, wanted: str | None
) -> None:
    assert meant(forms_of(action), resource, _KNOWN) == wanted


def test_the_tags_of_a_version_are_those_of_its_group() -> None:
    (form,) = forms_of("greengrass:GetGroupVersion")
    assert form.carrier(f"{_GROUP}/versions/V") == _GROUP
    assert form.carrier(_GROUP) is None
