"""`read_capture` knows a file by its content, and says in a sentence what it cannot read."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from kvmlab.capture import read_capture
from kvmlab.capture.kinds import BINARY_KINDS, KINDS
from kvmlab.errors import UnusableInput

EXPECTED = {
    "0": {
        "001": "trace", "003": "trace", "005": "trace", "007": "trace", "021": "trace", "023": "trace", "024": "trace",
        "025": "trace", "026": "trace", "030": "page_owner_sort", "032": "page_owner", "034": "page_owner",
        "035": "page_owner", "036": "page_owner_sort", "040": "buddyinfo", "042": "buddyinfo", "044": "zoneinfo",
        "046": "zoneinfo", "047": "zoneinfo", "049": "zoneinfo", "050": "zoneinfo", "051": "pagetypeinfo",
        "060": "page_pool", "070": "qemu",
    },
}  # fmt: skip
LAB = {
    "base/buddyinfo.txt": "buddyinfo", "base/pagetypeinfo.txt": "pagetypeinfo", "base/zoneinfo.txt": "zoneinfo",
    "base/iomem.txt": "iomem", "base/meminfo.txt": "meminfo", "base/vmstat.txt": "vmstat",
    "base/kpageflags.bin.gz": "kpageflags", "base/kpagecount.bin.gz": "kpagecount", "base/ftrace_kmem.txt": "trace",
    "kvm/matrix.jsonl": "lab_records", "kvm/ftrace_kvm.txt": "trace", "kvm/ttm_n2025_wc.txt": "lab_records",
    "ttm/fresh.txt.gz": "ttm_run", "ttm/page_pool_end.txt": "page_pool", "ttm/page_pool_shrink.txt": "page_pool_shrink",
}  # fmt: skip


def test_public_snippets(shared: Path) -> None:
    seen = 0
    for path in sorted((shared / "corpora" / "captures").glob("0*")):
        expected = EXPECTED["0"].get(path.name[:3])
        if expected is None:
            continue
        assert read_capture(path).kind.name == expected, path.name
        seen += 1
    assert seen == len(EXPECTED["0"])


@pytest.mark.parametrize("release", ["6.12.117+deb12-amd64", "7.3.4+deb13-amd64", "6.12.117-klab"])
def test_lab_files(shared: Path, release: str) -> None:
    for name, expected in LAB.items():
        capture = read_capture(shared / "captures" / release / name)
        assert capture.kind.name == expected, name
        assert not capture.malformed
        assert len(capture.df())
        assert len(capture.sha256) == 64


def test_a_kernel_log_is_sent_to_its_reader(shared: Path) -> None:
    with pytest.raises(UnusableInput, match="is a kernel log; read it with read_log"):
        read_capture(shared / "captures" / "6.12.117+deb12-amd64" / "dmesg_boot.txt")


def test_a_mangled_file_is_refused(shared: Path) -> None:
    with pytest.raises(UnusableInput, match="no capture of a known kind"):
        read_capture(shared / "corpora" / "captures" / "053-pagetypeinfo-mangled.txt")


@pytest.mark.parametrize("data", [b"", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "empty"
    path.write_bytes(data)
    with pytest.raises(UnusableInput, match="empty"):
        read_capture(path)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ([1 << 63 | 0x2D3A, 0, 1 << 62], "pagemap"),
        ([0, 0x400, 1 << 32, 1 << 38], "kpageflags"),
        ([0, 1, 57], "kpagecount"),
    ],
)
def test_words_are_told_apart_by_their_bits(words: list[int], kind: str) -> None:
    assert read_capture(struct.pack(f"<{len(words)}Q", *words)).kind.name == kind


@pytest.mark.parametrize(
    "data", [b"\x7fELF" + bytes(range(256)) * 4, b"\xff\xfe[\x00 \x00 \x000\x00.\x00" * 50, bytes(64), b"\x00\x01"]
)
def test_other_binaries_are_no_captures(data: bytes) -> None:
    with pytest.raises(UnusableInput):
        read_capture(data)


def test_a_tar_is_sent_to_its_reader(tmp_path: Path) -> None:
    path = tmp_path / "capture.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("top/buddyinfo"))
    with pytest.raises(UnusableInput, match="is a tar of captures; open it with open_captures"):
        read_capture(path)


def test_shares_of_memory_are_no_buddyinfo() -> None:
    with pytest.raises(UnusableInput, match="no capture of a known kind"):
        read_capture(b"Node 0, zone      DMA 0.000 0.001 0.003 \n")


def test_the_kind_can_be_named() -> None:
    assert read_capture(bytes(64), kind="kpageflags").value.words.tolist() == [0] * 8
    with pytest.raises(UnusableInput, match="there is no kind 'x'"):
        read_capture(b"a", kind="x")


def test_every_kind_says_how_to_record_it() -> None:
    for kind in (*KINDS, *BINARY_KINDS):
        assert kind.record
        assert "page_pool_shrink >" not in kind.record


def test_the_room_starts_without_numpy_and_pandas() -> None:
    code = (
        "import sys, kvmlab.capture.kinds, kvmlab.capture.read; print('numpy' in sys.modules, 'pandas' in sys.modules)"
    )
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert got.stdout.split() == ["False", "False"]
