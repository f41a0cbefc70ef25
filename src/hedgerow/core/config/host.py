"""What the host's kernel must protect before the core starts."""

import ctypes
import errno
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Final

from hedgerow.kernel import ConfigurationError

_PROTECTIONS = ("protected_hardlinks", "protected_symlinks")

_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2

Prctl = Callable[[int, int], int]
"""prctl(option, mode, NULL): returns the error number, 0 for none."""


class Seccomp(Enum):
    """What the kernel says of filters for system calls."""

    THERE = "there"
    MISSING = "missing"
    UNKNOWN = "not told by this system"


def require_link_protection(
    *, insecure_skip: bool = False, settings: Path = Path("/proc/sys/fs")
) -> None:
    """Pass only if the kernel protects hard and soft links, or the check is skipped on purpose.

    Without it another user of the host could make the core, which may run as root, follow a link
    of theirs. Source: guide pages what-is-gg and setup-filter.ec2.
    """
    if insecure_skip:
        return
    off = [name for name in _PROTECTIONS if _read(settings / name) != "1"]
    if off:
        commands = " ".join(f"fs.{name}=1" for name in off)
        raise ConfigurationError(
            f"this kernel's link protection is off ({', '.join(off)}); switch it on with "
            f"'sysctl -w {commands}', or start in the insecure mode (-i)"
        )


def require_seccomp(*, insecure_skip: bool = False, found: Seccomp | None = None) -> None:
    """Pass only if the kernel can filter system calls, or the check is skipped on purpose.

    Functions are confined with it. A system that does not say whether it can (a sandbox that
    answers for the kernel) is taken at its word when a function is started, not here. Source:
    guide pages what-is-gg (CONFIG_SECCOMP_FILTER) and idt-gg-qualification.
    """
    if insecure_skip:
        return
    if (found or seccomp()) is Seccomp.MISSING:
        raise ConfigurationError(
            "this kernel has no seccomp filters, with which functions are confined; use one built "
            "with CONFIG_SECCOMP and CONFIG_SECCOMP_FILTER, or start in the insecure mode (-i)"
        )


def seccomp(prctl: Prctl | None = None) -> Seccomp:
    """Ask the kernel for seccomp filters, without setting one.

    It is offered a filter at no address: where there are filters it fails over the address
    (EFAULT), where there are none over the wish (EINVAL). Source: prctl(2), seccomp(2).
    """
    error = (prctl or _prctl)(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER)
    if error == errno.EFAULT:
        return Seccomp.THERE
    return Seccomp.MISSING if error == errno.EINVAL else Seccomp.UNKNOWN


def _prctl(option: int, mode: int) -> int:
    try:
        call = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return errno.ENOSYS
    nothing = ctypes.c_void_p(None)
    words = (ctypes.c_ulong(mode), nothing, ctypes.c_ulong(0), ctypes.c_ulong(0))
    return 0 if call(option, *words) == 0 else ctypes.get_errno()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
