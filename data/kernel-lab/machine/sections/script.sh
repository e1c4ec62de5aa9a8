# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154
# A script from outside: what it leaves in /cap comes back, with its output and status.
dmesg >"$C/dmesg_boot.txt"
(cd "$C" && sh /lab/script >"$C/stdout.txt" 2>"$C/stderr.txt" </dev/null)
echo $? >"$C/status.txt"
say "script ended with status $(cat "$C/status.txt")"
