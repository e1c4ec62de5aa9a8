"""Sets of captures: folders, the script's tar, runs of the lab; hostile bundles; the shipped captures' hashes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from kvmlab.capture.malformed import MissingInput
from kvmlab.capture.shelf import open_captures, shipped_runs
from kvmlab.errors import UnusableInput

BUDDYINFO = b"Node 0, zone    DMA32      1      2      1 \n"


def make_tar(path: Path, files: dict[str, bytes], top: str = "kvmlab-host/") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(top + name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def test_a_folder_and_a_tar_are_the_same_set(tmp_path: Path) -> None:
    manifest = json.dumps({"schema": "kvmlab.host-capture/1", "release": "6.12.117"}).encode()
    files = {"proc/buddyinfo.txt": BUDDYINFO, "manifest.json": manifest, "uname.txt": b"Linux"}
    folder = tmp_path / "folder"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    for captures in (open_captures(folder), open_captures(make_tar(tmp_path / "a.tar.gz", files))):
        assert captures.release == "6.12.117"
        assert captures.injected is None
        assert captures.kinds() == {"buddyinfo": ["proc/buddyinfo.txt"]}
        assert captures.read("proc/buddyinfo.txt").value.rows[0].free_pages == 9


def test_a_packed_member_has_its_plain_name_too(tmp_path: Path) -> None:
    (tmp_path / "trace.txt.gz").write_bytes(gzip.compress(b" a-1 [000] 1.000000: kvm_fpu: load\n"))
    (tmp_path / "manifest.toml").write_text('release = "7.3.4"\ninjected = "nothing"\n')
    captures = open_captures(tmp_path)
    assert "trace.txt" in captures
    capture = captures.read("trace.txt")
    assert capture.value.release == "7.3.4"
    assert captures.injected == "nothing"


def test_what_is_missing_is_named_with_how_to_record_it(tmp_path: Path) -> None:
    (tmp_path / "buddyinfo").write_bytes(BUDDYINFO)
    captures = open_captures(tmp_path)
    with pytest.raises(MissingInput, match=r"needs /proc/kpageflags.*record it: as root: cat /proc/kpageflags"):
        captures.need("kpageflags", "the map of free pages")
    with pytest.raises(MissingInput, match="has no file zoneinfo"):
        captures.read("zoneinfo")


@pytest.mark.parametrize(
    ("name", "data", "match"),
    [("x.tar", b"no tar at all", "no readable tar"), ("x.tar", gzip.compress(b"x", mtime=0)[:-6], "no readable tar")],
)
def test_a_bundle_that_is_none(tmp_path: Path, name: str, data: bytes, match: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UnusableInput, match=match):
        open_captures(tmp_path / name)
    with pytest.raises(UnusableInput, match="does not exist"):
        open_captures(tmp_path / "nothing")


def test_a_tar_is_never_unpacked_to_disk_and_links_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as tar:
        entry = tarfile.TarInfo("top/../../escape")
        entry.size = len(BUDDYINFO)
        tar.addfile(entry, io.BytesIO(BUDDYINFO))
        link = tarfile.TarInfo("top/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    captures = open_captures(path)
    assert list(captures.members) == ["../../escape"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evil.tar"]


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '["a"]'])
def test_a_bad_manifest_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UnusableInput, match="manifest"):
        open_captures(tmp_path)


def test_runs_of_a_folder_that_holds_none(tmp_path: Path) -> None:
    assert shipped_runs(tmp_path) == ()
    with pytest.raises(UnusableInput, match="is no folder"):
        shipped_runs(tmp_path / "nothing")
    (tmp_path / "6.12" / "machine").mkdir(parents=True)
    (tmp_path / "6.12" / "machine" / "manifest.toml").write_text('release = "6.12"\n')
    with pytest.raises(UnusableInput, match="is no manifest of a run"):
        shipped_runs(tmp_path)


@pytest.fixture(scope="module")
def shipped(root: Path) -> Path:
    folder = root / "data" / "captures"
    if not folder.is_dir():
        pytest.skip("data/captures is not in this checkout")
    return folder


def test_every_shipped_file_has_the_hash_of_its_manifest(shipped: Path) -> None:
    runs = shipped_runs(shipped)
    assert {r.release.split(".")[0] + "." + r.release.split(".")[1] for r in runs} >= {"6.1", "6.12", "7.3"}
    for run in runs:
        listed = set()
        for path, size, digest in run.files:
            data = (run.folder / path).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (size, digest), run.folder / path
            listed.add(path)
        there = {p.relative_to(run.folder).as_posix() for p in run.folder.rglob("*") if p.is_file()}
        assert there - listed == {"manifest.toml"}, run.folder
        assert run.folder == shipped / run.release / run.run
        assert run.injected
        assert run.question


def test_the_shipped_captures_are_small_and_name_no_person(shipped: Path) -> None:
    files = [p for p in shipped.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 12_000_000
    address = re.compile(rb"[\w.+-]+@(?!lists\.debian\.org)[\w-]+\.[a-z]{2,}")
    for path in files:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        assert not address.search(data), path
        assert b"/home/" not in data, path


# The lab keeps the first so many lines of the page_owner files, so the last stack of such a file may be cut in two.
CUT_AT = {"page_owner_stacks": 4000}


def test_every_shipped_capture_is_read_without_a_malformed_line(shipped: Path) -> None:
    kinds: dict[str, int] = {}
    for run in shipped_runs(shipped):
        captures = run.open()
        for kind, paths in captures.kinds().items():
            for path in paths:
                malformed = captures.read(path).malformed
                if kind in CUT_AT and malformed:
                    lines = gzip.decompress((run.folder / path).read_bytes()).count(b"\n")
                    assert lines == CUT_AT[kind], run.folder / path
                    assert [m.reason for m in malformed] == [
                        "a stack without `nr_base_pages: N` at the end of the file."
                    ]
                    assert malformed[0].line > lines - 20
                else:
                    assert not malformed, run.folder / path
            kinds[kind] = kinds.get(kind, 0) + len(paths)
    assert set(kinds) >= {"trace", "lab_records", "ttm_run", "kpageflags", "buddyinfo", "free_lists", "page_pool"}
