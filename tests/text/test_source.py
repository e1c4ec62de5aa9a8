"""Opening inputs: every compression, broken containers, and the caller's mistakes, each with one sentence."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import subprocess
import sys
import zipfile

import pytest

from kvmlab.errors import UnusableInput
from kvmlab.text.reader import read_text
from kvmlab.text.source import open_source
from kvmlab.text.span import DamageKind

LOG = b"".join(
    b"[%5d.%06d] BUG: Bad page state in process kl  pfn:%05x\n" % (n, n * 7 % 10**6, n * 13) for n in range(3000)
)


def zstd(data: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd as module
    else:
        from backports import zstd as module
    return module.compress(data)


PACKERS = {"gzip": gzip.compress, "xz": lzma.compress, "bzip2": bz2.compress, "zstd": zstd}


@pytest.mark.parametrize("name", PACKERS)
def test_each_compression(name, tmp_path):
    stored = PACKERS[name](LOG)
    path = tmp_path / "no-telling-name"
    path.write_bytes(stored)
    source = open_source(str(path))
    assert source.data == LOG
    assert (source.compression, source.size) == ((name,), len(stored))
    assert source.sha256 == hashlib.sha256(stored).hexdigest()
    assert source.damage == ()
    assert open_source(path).data == open_source(io.BytesIO(stored)).data == open_source(stored).data == LOG


@pytest.mark.parametrize("name", PACKERS)
def test_several_members(name):
    pack = PACKERS[name]
    many = b"".join(pack(LOG[n : n + 500]) for n in range(0, len(LOG), 500))
    assert open_source(many).data == LOG


def test_nested():
    source = open_source(gzip.compress(lzma.compress(zstd(bz2.compress(LOG)))))
    assert source.data == LOG
    assert source.compression == ("gzip", "xz", "zstd", "bzip2")


@pytest.mark.parametrize("name", PACKERS)
def test_a_cut_container_keeps_what_can_be_read(name):
    # Random-looking text, so that half of the stored bytes hold about half of the text.
    log = b"\n".join(
        hashlib.sha256(b"%d" % n).hexdigest().encode() for n in range(40_000 if name == "bzip2" else 8_000)
    )
    stored = PACKERS[name](log)
    source = open_source(stored[: len(stored) * 3 // 4])
    assert log.startswith(source.data)
    assert len(source.data) > (0 if name in ("xz", "zstd", "bzip2") else len(log) // 2)
    assert [d.kind for d in source.damage] == [DamageKind.TRUNCATED_CONTAINER]
    assert "ends early" in source.damage[0].reason
    assert DamageKind.TRUNCATED_CONTAINER in {d.kind for d in read_text(source).damage}


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_a_broken_checksum_keeps_the_text(name):
    stored = bytearray(PACKERS[name](LOG))
    stored[-6 if name == "gzip" else -3 if name == "bzip2" else -30] ^= 0x55
    source = open_source(bytes(stored))
    assert source.data
    assert LOG.startswith(source.data)
    assert "is broken" in source.damage[0].reason


def test_rubbish_behind_the_data_is_said():
    source = open_source(gzip.compress(LOG) + b"\0" * 100)
    assert (source.data, source.damage) == (LOG, ())
    source = open_source(gzip.compress(LOG) + b"rubbish")
    assert source.data == LOG
    assert "7 bytes after the end" in source.damage[0].reason


@pytest.mark.parametrize("name", PACKERS)
def test_a_bomb_stops_at_the_bound(name):
    bomb = PACKERS[name](b"\0" * 30_000_000)
    with pytest.raises(UnusableInput, match=r"unpacks to more than 1000000 bytes, raise the bound with --max-bytes"):
        open_source(bomb, limit=1_000_000)
    assert len(open_source(bomb).data) == 30_000_000


def test_a_bomb_in_layers_and_a_file_in_itself():
    layers = b"x" * 1_000_000
    for _ in range(9):
        layers = gzip.compress(layers)
    with pytest.raises(UnusableInput, match="layers of compression"):
        open_source(layers)


def test_many_small_members_cost_little():
    assert open_source(gzip.compress(b"x\n") * 100_000).data == b"x\n" * 100_000


def test_a_plain_file_over_the_bound(tmp_path):
    path = tmp_path / "big"
    path.write_bytes(LOG)
    with pytest.raises(UnusableInput, match="--max-bytes"):
        open_source(path, limit=1000)


MISTAKES = {
    "missing": "there is no such file",
    "directory": "it is a directory",
    "empty": "it is empty",
    "empty.gz": "holds nothing that can be read",
    "header.gz": "holds nothing that can be read",
    "nul\0name": "is not a file name",
    "loop": "cannot be opened",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_sentence(name, tmp_path):
    (tmp_path / "directory").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "empty.gz").write_bytes(gzip.compress(b""))
    (tmp_path / "header.gz").write_bytes(gzip.compress(b"abc")[:5])
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UnusableInput, match=MISTAKES[name]) as caught:
        open_source(f"{tmp_path}/{name}")
    message = str(caught.value)
    assert name.split("\0")[0] in message
    assert "\n" not in message
    assert not message.endswith(".")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(LOG)
    path.chmod(0)
    with pytest.raises(UnusableInput, match="permission denied"):
        open_source(path)


def test_a_file_opened_as_text(tmp_path):
    with pytest.raises(UnusableInput, match="binary mode"):
        open_source(io.StringIO("[    1.000000] x"))


def test_standard_input():
    code = "from kvmlab.text.source import open_source; s = open_source('-'); print(s.path, len(s.data))"
    ran = subprocess.run([sys.executable, "-c", code], input=gzip.compress(LOG), capture_output=True, check=True)
    assert ran.stdout.split() == [b"-", b"%d" % len(LOG)]


def test_zstd_is_imported_only_when_needed():
    code = (
        "import sys, kvmlab.text.reader as r; r.read_text(b'x');"
        "print([m for m in sys.modules if 'zstd' in m or 'numpy' in m])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"[]"


def zip_of(*files: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return made.getvalue()


def test_the_files_of_a_zip_stand_one_behind_the_other() -> None:
    source = open_source(zip_of(("a/dmesg.txt", b"one"), ("b.gz", gzip.compress(b"two\n")), ("c", b"")))
    assert (source.data, source.compression, source.damage) == (b"one\ntwo\n", ("zip",), ())


def test_a_zip_bomb_is_refused_and_a_broken_zip_is_damage() -> None:
    bomb = zip_of(*((f"{n}", bytes(1 << 20)) for n in range(4)))
    with pytest.raises(UnusableInput, match="more than 2000000 bytes"):
        open_source(bomb, limit=2_000_000)
    good = zip_of(("a", b"first\n" * 50), ("b", b"second\n" * 50))
    at = good.index(b"b", 40)
    broken = bytearray(good)
    broken[at + 3 : at + 8] = b"\xff" * 5
    source = open_source(bytes(broken))
    assert b"first" in source.data
    assert "could not be read whole" in source.damage[0].reason
    with pytest.raises(UnusableInput, match="nothing that can be read"):
        open_source(good[:60])
