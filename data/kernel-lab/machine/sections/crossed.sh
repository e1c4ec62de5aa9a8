# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154
# The reported mechanism on a driver's page, a few puts in all: see program/crossed.c. CASES: BLOCK:PAGE, one
# after the other; STALE_LEFT: how many puts in each.
mkdir -p "$C/crossed"
need_kvm
export KL_CPU=2 KL_LEFT="$STALE_LEFT"
insmod /lab/klab.ko watch=1 stale_mode=1 stale_driver=1
say "klab: status $?"
for case in $CASES; do
    to=crossed/${case%:*}_${case#*:}
    echo "lab: crossed begins: block ${case%:*}, page ${case#*:}" >/dev/kmsg
    step "$case" "$to.jsonl" timeout 100 kl crossed "${case%:*}" "${case#*:}" 1500
done
cat /sys/kernel/debug/klab/log >"$C/crossed/log.jsonl"
for parameter in /sys/module/klab/parameters/stale_*; do
    echo "${parameter##*/} $(cat "$parameter")"
done >"$C/crossed/counts.txt"
dmesg >"$C/crossed/dmesg.txt"
flush
