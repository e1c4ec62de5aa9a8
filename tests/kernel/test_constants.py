"""Constants of the kernel by release, each with a source."""

from __future__ import annotations

import pytest

from kvmlab.errors import UnknownRelease
from kvmlab.kernel.constants import constant, constant_row, constants


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PAGE_SHIFT", 12),
        ("BAD_PAGE_LIMIT", 60),
        ("BAD_PAGE_WINDOW", 60),
        ("PRINTK_RECORD_MAX", 1024),
        ("PRINTK_CONT_OVERHEAD", 3),
        ("LAST__PID_SHIFT", 8),
        ("GUP_PIN_COUNTING_BIAS", 1024),
    ],
)
def test_constants_with_one_value(name: str, value: int) -> None:
    assert constant(name) == value
    assert constant(name, "6.9.12") == value


def test_the_folio_batch_grew_in_6_9() -> None:
    assert constant("FOLIO_BATCH_SIZE", "6.8.1") == 15
    assert constant("FOLIO_BATCH_SIZE", "6.9.12-ajb-00008-gfcd4b7efbad0") == 31
    assert constant("FOLIO_BATCH_SIZE", "6.12.117") == 31
    with pytest.raises(KeyError, match="4 values"):
        constant("FOLIO_BATCH_SIZE")


def test_the_folio_batch_of_a_kernel_beyond_the_tables_is_what_was_observed_there() -> None:
    assert constant("FOLIO_BATCH_SIZE", "7.3.4+deb13-amd64") == 31
    assert "observed on 7.3.4" in constant_row("FOLIO_BATCH_SIZE", "7.3.4").source
    assert constant_row("FOLIO_BATCH_SIZE", "7.2.13").source == "read in 7.2.13"
    for between in ("7.0", "7.1.2", "7.4"):
        with pytest.raises(UnknownRelease):
            constant("FOLIO_BATCH_SIZE", between)


def test_the_record_rule_agrees_with_the_three_boundaries_of_the_reported_module_list() -> None:
    limit, overhead = constant("PRINTK_RECORD_MAX"), constant("PRINTK_CONT_OVERHEAD")
    for length, following in (
        (1007, " snd_sof_xtensa_dsp"),
        (1016, " firmware_attributes_class"),
        (1004, " pinctrl_alderlake"),
    ):
        assert length + len(following) + overhead > limit
    # Without the blank that the archive dropped, the last one would have fitted.
    assert 1003 + len(" pinctrl_alderlake") + overhead <= limit


def test_what_is_not_known_is_said() -> None:
    with pytest.raises(UnknownRelease):
        constant("FOLIO_BATCH_SIZE", "5.10.0")
    with pytest.raises(UnknownRelease):
        constant("FOLIO_BATCH_SIZE", "7.4")
    with pytest.raises(UnknownRelease):
        constant("FOLIO_BATCH_SIZE", "syzkaller")
    with pytest.raises(KeyError):
        constant("NO_SUCH_CONSTANT", "6.9")
    with pytest.raises(KeyError):
        constant("NO_SUCH_CONSTANT")


def test_every_constant_has_a_source_a_unit_and_a_meaning() -> None:
    assert all(row.source and row.unit and row.meaning for row in constants())
    assert constant_row("FOLIO_BATCH_SIZE", "6.9").source.startswith("9cecde80aae0")
