# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154
# A driver replaces or frees a page while a guest counts in it: see program/driver.c for the kinds of conduct.
mkdir -p "$C/driver"
need_kvm
need_klab
export KL_CPU=0
for case in good:single:0 good:noncompound:0 good:noncompound:3 good:compound:3 \
    bad:single:0 bad:noncompound:0 bad:noncompound:3 \
    insert:single:0 insert:compound:0 insert:compound:3; do
    conduct=${case%%:*}
    page=${case##*:}
    block=${case#*:}
    block=${block%:*}
    trace_on kvm kvmmmu
    echo 0 >"$T/events/kvm/enable"
    for event in kvm_page_fault kvm_unmap_hva_range kvm_userspace_exit; do
        [ -d "$T/events/kvm/$event" ] && echo 1 >"$T/events/kvm/$event/enable"
    done
    step "$conduct, $block, page $page" "driver/${conduct}_${block}_$page.jsonl" \
        timeout 120 kl driver "$conduct" "$block" "$page"
    trace_off "driver/${conduct}_${block}_$page.ftrace.txt"
done
unset KL_CPU
dmesg >"$C/driver/dmesg.txt"
flush
