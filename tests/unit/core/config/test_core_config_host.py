from pathlib import Path

import pytest

from hedgerow.core.config import require_link_protection
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
