"""A group version that cannot work is refused when it is made, with every fault and its place."""

from typing import Any

import pytest

from hedgerow.cloud.greengrass.group_checks import Registered, group_faults
from hedgerow.cloud.home import Home

HOME = Home(account="123456789012", region="eu-west-1")
IOT = "arn:aws:iot:eu-west-1:123456789012"
PRESS = "arn:aws:lambda:eu-west-1:123456789012:function:press:3"
SNS = "arn:aws:greengrass:eu-west-1::/connectors/SNS/versions/4"
KNOWN = Registered(
    things={"core": ("c" * 64,), "lamp": ("a" * 64,), "bare": ()},
    certificates=frozenset({"c" * 64, "a" * 64}),
)


def thing(name: str, certificate: str = "a" * 64, **more: Any) -> dict[str, Any]:
    """Return a core or device."""
    return {
        "Id": name,
        "ThingArn": f"{IOT}:thing/{name}",
        "CertificateArn": f"{IOT}:cert/{certificate}",
        **more,
    }


def row(source: str, target: str, number: int = 1) -> dict[str, str]:
    """Return a subscription."""
    return {"Id": f"r{number}", "Source": source, "Target": target, "Subject": "a"}


def faults(**entities: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return what is wrong with a group version; `devices=[...]` and so on."""
    contents = {
        name.removesuffix("s").capitalize(): {name.capitalize(): those}
        for name, those in entities.items()
    }
    return group_faults(contents, KNOWN, HOME)


def test_a_group_whose_parts_fit_has_no_fault() -> None:
    assert (
        faults(
            cores=[thing("core", "c" * 64)],
            devices=[thing("lamp")],
            functions=[{"Id": "f", "FunctionArn": PRESS}],
            connectors=[{"Id": "s", "ConnectorArn": SNS}],
            subscriptions=[
                row(f"{IOT}:thing/lamp", "cloud"),
                row(PRESS, "GGShadowService", 2),
                row("cloud", SNS, 3),
            ],
        )
        == ()
    )


@pytest.mark.spec("P03")
def test_a_row_names_members_of_the_group() -> None:
    told = faults(
        devices=[thing("lamp")],
        subscriptions=[
            row(f"{IOT}:thing/lamp", f"{IOT}:thing/other"),
            row(PRESS, "cloud", 2),
            row(SNS, "cloud", 3),
        ],
    )
    assert [fault.partition(":")[0] for fault in told] == [
        "Subscriptions[0] 'r1'",
        "Subscriptions[1] 'r2'",
        "Subscriptions[2] 'r3'",
    ]
    assert f"the Target '{IOT}:thing/other' is not a member of the group" in told[0]


def test_things_and_certificates_are_registered() -> None:
    missing, bare = faults(devices=[thing("lamp"), thing("nobody"), thing("bare", "b" * 64)])
    assert missing.startswith("Devices[1] 'nobody': no thing")
    assert bare.startswith("Devices[2] 'bare': no certificate")
    assert faults(devices=[thing("lamp", "b" * 64)]) == ()  # another one is attached to it
    assert len(faults(cores=[thing("nobody")], devices=[thing("nothing")])) == 2


def test_a_core_is_no_device_of_its_group() -> None:
    (fault,) = faults(cores=[thing("core", "c" * 64)], devices=[thing("core", "c" * 64)])
    assert "Devices[0] 'core'" in fault
    assert "cannot be a device of it too" in fault
