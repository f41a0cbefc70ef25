"""The door to the cloud's APIs: botocore clients, errors as sentences, and facts to build on."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.exceptions
import botocore.loaders
import botocore.session
from botocore.config import Config

from hedgerow.aws.models import OWN_MODELS
from hedgerow.kernel import (
    CallerError,
    ConfigurationError,
    DeniedError,
    HedgerowError,
    UnavailableError,
)

_USE_ENV = 'run: eval "$(hedgerow env --data DIR)"'
_FORBIDDEN = 403
_DEFAULT_HTTPS_PORT = 8443
_DEFAULT_MQTT_PORT = 8883


@dataclass(frozen=True, slots=True)
class DeviceEndpoint:
    """Where devices reach the cloud, and what vouches for it there."""

    host: str
    https_port: int
    mqtt_port: int
    root_ca_pem: str


class CloudApi:
    """Calls operations of a Hedgerow cloud by botocore's names, as the environment's caller."""

    def __init__(self) -> None:
        self._session = botocore.session.Session()
        self._session.register_component("data_loader", _models())
        self._clients: dict[str, Any] = {}

    def call(self, service: str, operation: str, **members: Any) -> dict[str, Any]:
        """Call one operation and return its output.

        Raises `DeniedError`, `CallerError` or `UnavailableError` with the cloud's own sentence.
        """
        try:
            answer: dict[str, Any] = getattr(self._client(service), operation)(**members)
        except botocore.exceptions.ClientError as error:
            raise _as_ours(error) from error
        except botocore.exceptions.BotoCoreError as error:
            raise _without_answer(service, error) from error
        answer.pop("ResponseMetadata", None)
        return answer

    def pages(self, service: str, operation: str, result: str, **members: Any) -> Iterator[Any]:
        """Yield every entry of a paginated operation's list `result`."""
        try:
            paginator = self._client(service).get_paginator(operation)
            for page in paginator.paginate(**members):
                yield from page[result]
        except botocore.exceptions.ClientError as error:
            raise _as_ours(error) from error
        except botocore.exceptions.BotoCoreError as error:
            raise _without_answer(service, error) from error

    @cached_property
    def account(self) -> str:
        """The account number of the caller."""
        account: str = self.call("sts", "get_caller_identity")["Account"]
        return account

    @property
    def region(self) -> str:
        """The region the environment names."""
        region: str = self._client("iot").meta.region_name
        return region

    def device_endpoint(self) -> DeviceEndpoint:
        """Return the host of the cloud's device endpoints, with the ports of the environment."""
        bundle = os.environ.get("AWS_CA_BUNDLE", "")
        if not bundle:
            raise ConfigurationError(f"AWS_CA_BUNDLE is not set; {_USE_ENV}")
        address = self.call("iot", "describe_endpoint", endpointType="iot:Data-ATS")
        try:
            root_ca = Path(bundle).read_text(encoding="ascii")
        except OSError as error:
            raise ConfigurationError(
                f"cannot read AWS_CA_BUNDLE {bundle}: {error.strerror}"
            ) from error
        return DeviceEndpoint(
            host=address["endpointAddress"],
            https_port=_port("HEDGEROW_DEVICE_HTTPS_PORT", _DEFAULT_HTTPS_PORT),
            mqtt_port=_port("HEDGEROW_DEVICE_MQTT_PORT", _DEFAULT_MQTT_PORT),
            root_ca_pem=root_ca,
        )

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            try:
                client = self._session.create_client(
                    service, config=Config(retries={"mode": "standard"})
                )
            except botocore.exceptions.BotoCoreError as error:
                sentence = str(error).partition(". ")[0].rstrip(".")
                raise ConfigurationError(f"{sentence}; {_USE_ENV}") from error
            if not client.meta.region_name:
                raise ConfigurationError(f"AWS_DEFAULT_REGION is empty; {_USE_ENV}")
            if (urlsplit(client.meta.endpoint_url).hostname or "").endswith(".amazonaws.com"):
                raise ConfigurationError(f"AWS_ENDPOINT_URL is not set; {_USE_ENV}")
            self._clients[service] = client
        return self._clients[service]


@cache
def _models() -> botocore.loaders.Loader:
    """Return the one loader of this process, which reads each service's model once."""
    loader = botocore.loaders.create_loader()
    loader.search_paths.append(str(OWN_MODELS))
    return loader


def _without_answer(service: str, error: botocore.exceptions.BotoCoreError) -> HedgerowError:
    sentence = f"cannot call {service}: {str(error).rstrip('.')}"
    if isinstance(error, botocore.exceptions.EndpointConnectionError):
        return UnavailableError(f"{sentence}; start the cloud if it does not run, then {_USE_ENV}")
    if isinstance(error, botocore.exceptions.SSLError):
        return UnavailableError(
            f"{sentence}; check AWS_ENDPOINT_URL and AWS_CA_BUNDLE, or {_USE_ENV}"
        )
    if isinstance(error, botocore.exceptions.NoCredentialsError):
        return ConfigurationError(f"{sentence}; {_USE_ENV}")
    return UnavailableError(sentence)


def _as_ours(error: Any) -> HedgerowError:
    code = error.response["Error"].get("Code", "")
    message = error.response["Error"].get("Message") or error.response.get("message") or code
    sentence = f"{error.operation_name}: {message} ({code})"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return (DeniedError if status == _FORBIDDEN else CallerError)(sentence, code=code)


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal():
        raise ConfigurationError(f"{variable} is {text!r}; it must be a port number")
    return int(text)
