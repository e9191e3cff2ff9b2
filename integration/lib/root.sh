#!/bin/bash
# root.sh INSTANCE DIR CMD...: runs CMD in a private mount namespace, in an overlay of / whose upper layer is INSTANCE/upper
# (an unpacked mail server and this run's own writes). Nothing in the real system changes, and Debian's mutually exclusive
# MTAs live beside each other. DIR is bound into it as it is.
# CMD keeps this process's pid.
set -e
O=$1 D=$2; shift 2
mkdir -p "$O/upper"
export O D
exec unshare -m --propagation private bash -ec '
  stack() {
    mkdir -p "$O/work" "$O/merged"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$O/upper,workdir=$O/work" "$O/merged"
  }
  if ! stack 2>/dev/null; then   # / is itself an overlay (a container): the upper layer needs a file system of its own
    mkdir -p "$O-fs"; mount -t tmpfs tmpfs "$O-fs"; cp -a "$O/upper" "$O-fs/"; O=$O-fs; stack
  fi
  mount -t proc proc "$O/merged/proc"; mount --rbind /dev "$O/merged/dev"
  mkdir -p "$O/merged$D"; mount --bind "$D" "$O/merged$D"
  exec chroot "$O/merged" "$@"' root "$@"
