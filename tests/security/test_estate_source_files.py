"""Which files of a folder are read as an estate's."""

import os
from pathlib import Path

from hedgerow.cli.estate.files import source_of


def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    """A pipe would be waited for without end; what is outside is not the folder's."""
    folder, outside = tmp_path / "estate", tmp_path / "outside.json"
    (folder / "inner.json").mkdir(parents=True)
    outside.write_text("{}")
    os.mkfifo(folder / "pipe.json")
    (folder / "link.json").symlink_to(outside)
    (folder / "gone.json").symlink_to(folder / "nothing.json")
    (folder / "certificates").symlink_to("/etc/ssl")
    (folder / "estate.json").write_text("{}")
    assert source_of(folder).files == {"estate.json": b"{}"}
