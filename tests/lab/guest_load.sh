#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# load busy|idle|PERCENT: keeps every CPU of the guest at work for that part of each 100 ms.
# A new load takes the place of the one that runs.
[ -f /run/load.pid ] && kill -9 -- "-$(cat /run/load.pid)" 2>/dev/null
rm -f /run/load.pid
case $1 in
  idle | "" | 0) exit 0 ;;
  busy) percent=100 ;;
  *) percent=$1 ;;
esac

# The group of its own lets the next load end this one and its workers.
# shellcheck disable=SC2016  # for the inner shell
exec setsid sh -c '
  echo $$ >/run/load.pid
  workers=
  cpus=$(nproc)
  while [ "$cpus" -gt 0 ]; do
    sha512sum /dev/zero &
    workers="$workers $!"
    cpus=$((cpus - 1))
  done
  [ "$1" -ge 100 ] && wait
  while :; do
    usleep $(($1 * 1000))
    kill -STOP $workers
    usleep $(((100 - $1) * 1000))
    kill -CONT $workers
  done
' load "$percent" >/dev/null 2>&1 </dev/null
