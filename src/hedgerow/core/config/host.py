"""What the host's kernel must protect before the core starts."""

from pathlib import Path

from hedgerow.kernel import ConfigurationError

_PROTECTIONS = ("protected_hardlinks", "protected_symlinks")


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


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
