# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154
# How memory lies after boot, what the kernel offers, and a short trace of page allocations.
cat /proc/cpuinfo >"$C/cpuinfo.txt"
dmesg >"$C/dmesg_boot.txt"
snapshot base
frames base
[ -e /proc/config.gz ] && zcat /proc/config.gz >"$C/base/config.txt"
ls "$T/events/kmem" >"$C/base/events_kmem.txt"
ls "$T/events" >"$C/base/events.txt"
ls -la /sys/kernel/debug >"$C/base/debugfs_ls.txt"
for event in mm_page_alloc mm_page_free; do cat "$T/events/kmem/$event/format"; done >"$C/base/kmem_formats.txt"
if [ -e /sys/kernel/debug/page_owner ]; then
    head -n 20000 /sys/kernel/debug/page_owner >"$C/base/page_owner_head.txt"
    for file in /sys/kernel/debug/page_owner_stacks/show_*; do
        head -n 4000 "$file" >"$C/base/page_owner_stacks_${file##*/}.txt"
    done
else
    echo "absent: /sys/kernel/debug/page_owner" >"$C/base/page_owner_ABSENT.txt"
fi
trace_on kmem/mm_page_alloc kmem/mm_page_free kmem/mm_page_alloc_zone_locked kmem/mm_page_free_batched
dd if=/dev/zero of=/tmp/x bs=64k count=32 2>/dev/null
cat /tmp/x >/dev/null
rm /tmp/x
trace_off base/ftrace_kmem.txt
flush
