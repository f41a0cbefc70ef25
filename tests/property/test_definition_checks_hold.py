"""Whatever the model lets through, the checks of definitions say what is wrong and never break."""

from collections.abc import Mapping
from typing import Any

from botocore.model import Shape
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgerow.aws.models import load_model
from hedgerow.cloud.greengrass.group_checks import Registered, group_faults
from hedgerow.cloud.greengrass.kinds import DEFINITION_KINDS, DefinitionKind
from hedgerow.cloud.home import Home

HOME = Home(account="123456789012", region="eu-west-1")
IOT = "arn:aws:iot:eu-west-1:123456789012"
TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            "a",
            "a/#",
            "cloud",
            "GGShadowService",
            "$LATEST",
            "NoContainer",
            "262144",
            "²",
            f"{IOT}:thing/press",
            f"{IOT}:cert/{'ab' * 32}",
            "arn:aws:lambda:::function:GGCloudSpooler:1",
            "arn:aws:lambda:eu-west-1:123456789012:function:press:3",
            "arn:aws:greengrass:eu-west-1::/connectors/SNS/versions/4",
            "GG_CONFIG_MAX_SIZE_BYTES",
            "/dev/shm",  # noqa: S108 - a path on the core
        ]
    ),
    st.text(max_size=20),
)
KNOWN = Registered(things={"press": ()}, certificates=frozenset())


def values_of(shape: Shape) -> st.SearchStrategy[Any]:
    """Return what the model lets through for a shape."""
    if shape.type_name == "structure":
        return structures_of(shape)
    if shape.type_name == "list":
        return st.lists(values_of(shape.member), max_size=3)
    if shape.type_name == "map":
        return st.dictionaries(TEXTS, values_of(shape.value), max_size=3)
    if shape.type_name == "string":
        return st.sampled_from(shape.enum) if shape.enum else TEXTS
    return st.booleans() if shape.type_name == "boolean" else st.integers(-(2**31), 2**31 - 1)


def structures_of(shape: Shape) -> st.SearchStrategy[dict[str, Any]]:
    """Return a structure with its required members, and with or without the others."""
    required = {name: values_of(shape.members[name]) for name in shape.required_members}
    optional = {
        name: values_of(member) for name, member in shape.members.items() if name not in required
    }
    return st.fixed_dictionaries(required, optional=optional)


def content_of(kind: DefinitionKind) -> st.SearchStrategy[dict[str, Any]]:
    """Return what may come as a version of a definition."""
    return structures_of(load_model("greengrass").shape_for(f"{kind.name}DefinitionVersion"))


CONTENTS = st.fixed_dictionaries({kind.name: content_of(kind) for kind in DEFINITION_KINDS})


@given(CONTENTS)
@settings(max_examples=150, deadline=None)
def test_every_content_is_judged(contents: Mapping[str, Mapping[str, Any]]) -> None:
    for kind in DEFINITION_KINDS:
        assert all(isinstance(fault, str) for fault in kind.faults(contents[kind.name], HOME))
    assert all(isinstance(fault, str) for fault in group_faults(contents, KNOWN, HOME))
