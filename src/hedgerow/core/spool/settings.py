"""How the group configures the queue: the environment of system function `GGCloudSpooler`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self

from hedgerow.contract import FunctionMember
from hedgerow.kernel import CallerError, quoted

SPOOLER_ARN = "arn:aws:lambda:::function:GGCloudSpooler:1"
MINIMUM_SIZE_BYTES = 262_144
DEFAULT_SIZE_BYTES = 2_621_440

StorageType = Literal["Memory", "FileSystem"]
SubscriptionQuality = Literal["AtMostOnce", "AtLeastOncePersistent"]


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """Where the queue is kept, how large it may grow, and how the core subscribes in the cloud."""

    storage: StorageType = "Memory"
    max_size_bytes: int = DEFAULT_SIZE_BYTES
    subscription_quality: SubscriptionQuality = "AtMostOnce"

    @classmethod
    def of(cls, functions: Iterable[FunctionMember]) -> Self:
        """Return the settings a group asks for, or raise `CallerError` in the documented words.

        Without the function, or without a variable, the defaults hold.
        """
        for function in functions:
            if function.function_arn.rpartition(":")[0] == SPOOLER_ARN.rpartition(":")[0]:
                return cls._of_environment(function.environment)
        return cls()

    @classmethod
    def _of_environment(cls, variables: dict[str, str]) -> Self:
        storage = variables.get("GG_CONFIG_STORAGE_TYPE", "Memory")
        if storage not in {"Memory", "FileSystem"}:
            raise CallerError(
                f"GG_CONFIG_STORAGE_TYPE is {quoted(storage)}; it is Memory or FileSystem"
            )
        quality = variables.get("GG_CONFIG_SUBSCRIPTION_QUALITY", "AtMostOnce")
        if quality not in {"AtMostOnce", "AtLeastOncePersistent"}:
            raise CallerError(
                f"GG_CONFIG_SUBSCRIPTION_QUALITY is {quoted(quality)}; "
                "it is AtMostOnce or AtLeastOncePersistent"
            )
        return cls(
            storage=storage,  # type: ignore[arg-type]  # one of the two
            max_size_bytes=_size(variables.get("GG_CONFIG_MAX_SIZE_BYTES")),
            subscription_quality=quality,  # type: ignore[arg-type]  # one of the two
        )


def _size(text: str | None) -> int:
    if text is None:
        return DEFAULT_SIZE_BYTES
    if not text.isascii() or not text.isdecimal():
        raise CallerError(f"GG_CONFIG_MAX_SIZE_BYTES is {quoted(text)}; it is a number of bytes")
    size = int(text)
    if size < MINIMUM_SIZE_BYTES:
        raise CallerError(f"Spool size should be at least {MINIMUM_SIZE_BYTES} bytes")
    return size
