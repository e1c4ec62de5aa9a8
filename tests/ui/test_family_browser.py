"""The family browser in a browser: another family is chosen by keyboard, and its stack and its reports follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.lab import NotebookPage

pytestmark = [pytest.mark.ui, pytest.mark.xdist_group("browser")]

# Two kinds of reports in one log: a bad page with a stack, and a soft lockup with another.
STORM = Path("data", "captures", "6.12.117+deb12-amd64", "storm-1vcpu", "storm", "dmesg.txt.gz")
LOCKUP = b"""
[  400.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [qemu:77]
[  400.000001] CPU: 1 PID: 77 Comm: qemu Not tainted 6.12.117 #1
[  400.000002] Call Trace:
[  400.000003]  <TASK>
[  400.000004]  smp_call_function_many_cond+0x1a0/0x4f0
[  400.000005]  on_each_cpu_cond_mask+0x24/0x40
[  400.000006]  </TASK>
"""


def test_a_family_is_chosen_and_its_members_and_stack_are_shown(
    notebook_page: NotebookPage, root: Path, screenshots: Path
) -> None:
    import gzip

    page = notebook_page.page
    notebook_page.open("notebooks/00-start-here.ipynb")
    notebook_page.run_all()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload a log").click()
    log = gzip.decompress((root / STORM).read_bytes()) + LOCKUP
    chooser.value.set_files({"name": "two.log", "mimeType": "text/plain", "buffer": log})
    page.locator(".kvmlab-bench").first.get_by_text("61 reports, 60 bad pages").wait_for(timeout=60_000)
    words = page.locator(".kvmlab-family").first
    words.get_by_text("60 reports").wait_for(timeout=30_000)
    members, stacks = page.locator(".kvmlab-members").first, page.locator(".kvmlab-stacks").first
    assert "0x" in members.inner_text()
    families = page.get_by_label("family", exact=True)
    families.focus()
    page.keyboard.press("ArrowDown")
    words.get_by_text("Lockup in smp_call_function_many_cond").wait_for(timeout=20_000)
    members.get_by_text("400.000000").wait_for(timeout=20_000)
    page.wait_for_function(
        "() => document.querySelector('.kvmlab-stacks .js-plotly-plot')?.layout.xaxis.ticktext[0].includes('Lockup')",
        timeout=20_000,
    )
    # The picture in words, for those who do not see it.
    stacks.locator("summary").click()
    assert "functions are in both stacks" in stacks.locator("details").inner_text()
    page.screenshot(path=screenshots / "family-browser.png")
    assert notebook_page.errors == []
    assert notebook_page.outside == []
