#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# PID 1 of a laboratory guest: devices, network, the share, the readers, the load.
export PATH=/usr/bin:/usr/sbin:/bin:/sbin HOME=/root

phase() { echo "lab: $*" >/dev/console; }

# The value of a word KEY=VALUE on the kernel's command line.
argument() {
  tr ' ' '\n' </proc/cmdline | while read -r word; do
    case $word in "$1="*) echo "${word#*=}" ;; esac
  done
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs tmpfs /tmp
mount -t tmpfs -o mode=755 tmpfs /run
phase kernel up

if [ "$(argument vpowercap.load)" = probe ]; then
  poweroff -f
fi

while read -r module; do
  insmod "/lib/modules/$module" || phase "cannot load $module"
done </lib/modules/order

ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
nc -ll -p 9999 -e /bin/run-command &
phase network up

if [ -x /usr/sbin/vpowercap-guest ]; then
  vpowercap-guest mount >/run/mount.log 2>&1
else
  mount -t virtiofs vpowercap /sys/class/powercap >/run/mount.log 2>&1
fi
code=$?
cat /run/mount.log >/dev/console
if [ $code = 0 ]; then phase share mounted; else phase "share not mounted ($code)"; fi

prometheus-node-exporter --collector.disable-defaults --collector.rapl \
  >/run/node-exporter.log 2>&1 &
if [ -x /usr/bin/vpowercap-agent ]; then
  # shellcheck disable=SC2046  # one word per argument
  vpowercap-agent $(cat /etc/vpowercap-agent.arguments) >/run/agent.log 2>&1 &
fi
load "$(argument vpowercap.load)" &
phase ready

# PID 1 stays and reaps what is left behind.
while :; do
  wait
  sleep 1
done
