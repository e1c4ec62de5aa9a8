"""Tagged pointers of struct page, addresses of an index and of a page frame."""

from __future__ import annotations

import pytest

from kvmlab.kernel.page_pointers import decode_mapping, decode_memcg_data, hva_of_index, physical_address


@pytest.mark.parametrize(
    ("value", "release", "name"),
    [
        (0, "6.9.12", "none"),
        (0xFFFF888012345678, "6.9.12", "address_space"),
        (0xFFFF888012345679, "6.9.12", "anon_vma"),
        (0xFFFF88801234567B, "6.9.12", "ksm"),
        (0xFFFF88801234567A, "6.9.12", "movable_ops"),
        (0xFFFF88801234567A, "6.18.0", None),
        (0xFFFF88801234567A, "3.10.0", None),
    ],
)
def test_mapping(value: int, release: str, name: str | None) -> None:
    found = decode_mapping(value, release)
    assert found.name == name
    assert found.pointer | found.tag == value


@pytest.mark.parametrize(
    ("value", "release", "name"),
    [
        (0, "6.9.12", "none"),
        (0xFFFF888012345000, "6.9.12", "mem_cgroup"),
        (0xFFFF888012345001, "6.9.12", "objext"),
        (0xFFFF888012345002, "6.9.12", "kmem"),
        (0xFFFF888012345003, "6.9.12", None),
        (0xFFFF888012345001, "5.10.0", None),
    ],
)
def test_memcg_data(value: int, release: str, name: str | None) -> None:
    assert decode_memcg_data(value, release).name == name


def test_addresses_of_the_reported_page() -> None:
    assert hva_of_index(0x7FA8117C3) == 0x7FA8117C3000
    assert physical_address(0xFB1665) == 0xFB1665000
