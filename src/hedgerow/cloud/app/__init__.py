"""The cloud as one program: made once by `init_cloud`, then opened, served and stopped.

In come a data folder, ports and signals; out go listening doors, `endpoints.json` while they are
open, and `admin.json` at birth. It may import everything of the cloud: it composes, and holds no
rule of any service. What must never happen here: a door that serves without TLS, a key file that
others can read, a default that allows. The tests are in `tests/unit/cloud/app`.
"""

from hedgerow.cloud.app.administrator import AdministratorFile, read_administrator
from hedgerow.cloud.app.birth import InitResult, init_cloud
from hedgerow.cloud.app.cloud_app import (
    ANY_HOST,
    API_PORT,
    DEVICE_HTTPS_PORT,
    DEVICE_MQTT_PORT,
    CloudApp,
    run_cloud,
)
from hedgerow.cloud.app.endpoints import Endpoints
from hedgerow.cloud.app.layout import Layout
from hedgerow.cloud.app.private_api import PrivateApi, read_private_api

__all__ = [
    "ANY_HOST",
    "API_PORT",
    "DEVICE_HTTPS_PORT",
    "DEVICE_MQTT_PORT",
    "AdministratorFile",
    "CloudApp",
    "Endpoints",
    "InitResult",
    "Layout",
    "PrivateApi",
    "init_cloud",
    "read_administrator",
    "read_private_api",
    "run_cloud",
]
