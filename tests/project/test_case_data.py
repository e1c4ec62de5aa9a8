"""The shipped case is what its `case.toml` says: hash, size, and where it stood in the mail."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path


def test_raw_file_has_the_hash_of_case_toml(case_dir: Path) -> None:
    case = tomllib.loads((case_dir / "case.toml").read_text(encoding="utf-8"))
    assert [entry["path"] for entry in case["file"]] == ["raw.txt"]
    raw = (case_dir / "raw.txt").read_bytes()
    assert len(raw) == case["file"][0]["bytes"]
    assert hashlib.sha256(raw).hexdigest() == case["file"][0]["sha256"]


def test_raw_file_is_the_log_part_of_the_mail_as_archived(case_dir: Path, shared: Path) -> None:
    mail = (shared / "seed" / "lkml-report.txt").read_bytes().splitlines(keepends=True)
    assert (case_dir / "raw.txt").read_bytes() == b"".join(mail[53:137])
