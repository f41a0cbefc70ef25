"""The data plane that programs use (boto3's `iot-data`): shadows, and publishing.

In come requests to a shadow as bytes, from devices (over MQTT and HTTPS, through their own
sub-rooms) and from programs (`IotDataService`); out go answers as bytes, and to listeners what
belongs on the shadow's topics. What a request means is decided by `shadow`. It imports `kernel`,
`mqtt`, `aws`, `store`, `contract`, `shadow` and the cloud's `home`. What must never happen here:
state of one thing changes by a request to another. Whether the asker is allowed to ask is decided
before it comes here.

Tests: `tests/unit/cloud/iot_data`, `tests/interop/test_boto3_iot.py`.
"""

from hedgerow.cloud.iot_data.broker_calls import (
    MAX_RESULTS,
    Publisher,
    RetainedPages,
    require_publishable,
)
from hedgerow.cloud.iot_data.message_properties import (
    header_json,
    last_modified_ms,
    message_properties,
    user_properties_json,
)
from hedgerow.cloud.iot_data.service import IotDataService
from hedgerow.cloud.iot_data.shadow_service import (
    PAGE_DEFAULT,
    PAGE_LIMIT,
    ShadowService,
)

__all__ = [
    "MAX_RESULTS",
    "PAGE_DEFAULT",
    "PAGE_LIMIT",
    "IotDataService",
    "Publisher",
    "RetainedPages",
    "ShadowService",
    "header_json",
    "last_modified_ms",
    "message_properties",
    "require_publishable",
    "user_properties_json",
]
