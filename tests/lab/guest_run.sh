#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One request of the command server. In: a line "USER LENGTH", then LENGTH bytes of shell.
# Out: a line "CODE OUT ERR", then OUT bytes of its stdout and ERR bytes of its stderr.
export PATH=/usr/bin:/usr/sbin:/bin:/sbin
read -r user length || exit 1
work=$(mktemp -d /tmp/run.XXXXXX)
chmod 755 "$work"
head -c "$length" >"$work/script"
chmod 644 "$work/script"
if [ "$user" = root ]; then
  sh "$work/script" </dev/null >"$work/out" 2>"$work/err"
else
  su -s /bin/sh "$user" -c ". $work/script" </dev/null >"$work/out" 2>"$work/err"
fi
code=$?
echo "$code $(stat -c %s "$work/out") $(stat -c %s "$work/err")"
cat "$work/out" "$work/err"
rm -rf "$work"
