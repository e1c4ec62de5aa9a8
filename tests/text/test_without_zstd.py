"""Without the zstd library a zstd file is one sentence, not a traceback."""

from __future__ import annotations

import sys

import pytest

from kvmlab.errors import UnusableInput
from kvmlab.text.source import open_source


def test_zstd_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("backports", "backports.zstd", "compression", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UnusableInput, match="needs the package backports-zstd"):
        open_source(b"\x28\xb5\x2f\xfd" + b"a" * 100)
