import errno
from pathlib import Path

import pytest

from hedgerow.core.config import Seccomp, require_link_protection, require_seccomp, seccomp
from hedgerow.kernel import ConfigurationError


def settings(folder: Path, hard: str | None, soft: str | None) -> Path:
    for name, value in (("protected_hardlinks", hard), ("protected_symlinks", soft)):
        if value is not None:
            (folder / name).write_text(value + "\n")
    return folder


@pytest.mark.spec("I18")
@pytest.mark.parametrize(
    ("hard", "soft", "named"),
    [
        ("0", "1", "protected_hardlinks"),
        ("1", "0", "protected_symlinks"),
        ("1", None, "protected_symlinks"),
    ],
)
def test_the_core_does_not_start_without_link_protection(
    tmp_path: Path, hard: str, soft: str | None, named: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"sysctl -w fs.{named}=1"):
        require_link_protection(settings=settings(tmp_path, hard, soft))


@pytest.mark.spec("I18")
def test_it_starts_with_protection_or_in_the_insecure_mode(tmp_path: Path) -> None:
    require_link_protection(settings=settings(tmp_path, "1", "1"))
    require_link_protection(settings=settings(tmp_path, "0", "0"), insecure_skip=True)


@pytest.mark.parametrize(
    ("error", "means"),
    [
        (errno.EFAULT, Seccomp.THERE),
        (errno.EINVAL, Seccomp.MISSING),
        (errno.EPERM, Seccomp.UNKNOWN),
        (errno.ENOSYS, Seccomp.UNKNOWN),
        (0, Seccomp.UNKNOWN),
    ],
)
def test_the_kernels_answer_tells_whether_there_are_seccomp_filters(
    error: int, means: Seccomp
) -> None:
    assert seccomp(lambda _option, _mode: error) is means


def test_asking_this_kernel_sets_no_filter() -> None:
    """What is asked first must leave the process as it was."""
    assert seccomp() is seccomp()
    status = Path("/proc/self/status").read_text()
    assert "Seccomp:\t0" in status or seccomp() is not Seccomp.THERE


@pytest.mark.spec("Y04")
def test_without_seccomp_filters_the_core_does_not_start_unless_told_to() -> None:
    with pytest.raises(ConfigurationError, match="no seccomp filters"):
        require_seccomp(found=Seccomp.MISSING)
    require_seccomp(found=Seccomp.MISSING, insecure_skip=True)
    require_seccomp(found=Seccomp.THERE)
    require_seccomp(found=Seccomp.UNKNOWN)
