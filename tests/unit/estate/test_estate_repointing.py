"""A core's configuration is turned towards another cloud, and only that of it changes."""

from typing import Any

import pytest

from hedgerow.estate import Origin
from hedgerow.estate.repointing import Destination, repointed
from hedgerow.kernel import CallerError

TO = Destination(
    origin=Origin(account="123456789012", region="eu-west-1"),
    host="cloud.example",
    https_port=8443,
    mqtt_port=8883,
    certs="/greengrass/certs",
)
CONFIG: dict[str, Any] = {
    "coreThing": {
        "thingArn": "arn:aws:iot:us-west-2:111122223333:thing/core",
        "iotHost": "x-ats.iot.us-west-2.amazonaws.com",
        "certPath": "a.cert.pem",
        "ggMqttPort": 8884,
    },
    "crypto": {"caPath": "file:///greengrass/certs/root.ca.pem", "principals": {"kept": 1}},
    "runtime": {"kept": True},
}


def test_the_old_cloud_is_named_nowhere_and_the_rest_stays() -> None:
    after = repointed(CONFIG, TO)
    thing = after["coreThing"]
    assert thing["thingArn"] == "arn:aws:iot:eu-west-1:123456789012:thing/core"
    assert (thing["iotHost"], thing["ggHost"]) == ("cloud.example", "cloud.example")
    assert (thing["certPath"], thing["ggMqttPort"]) == ("a.cert.pem", 8884)
    assert after["crypto"]["caPath"] == "file:///greengrass/certs/hedgerow.root.ca.pem"
    assert after["crypto"]["principals"] == {"kept": 1}
    assert after["runtime"] == {"kept": True}
    assert CONFIG["coreThing"]["iotHost"].endswith("amazonaws.com")
    assert repointed(after, TO) == after


@pytest.mark.parametrize("config", [{}, {"coreThing": 7}, {"coreThing": {"thingArn": "x"}}])
def test_a_configuration_without_a_thing_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(CallerError, match="thingArn"):
        repointed(config, TO)
