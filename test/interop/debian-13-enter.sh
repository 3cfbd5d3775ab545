#!/bin/sh
# Runs the program that this is called by the name of in the Debian 13 beside it, which sees this machine's processes,
# devices, /tmp and the folder that it is called in by their own names. The mounts are that program's alone, and are gone
# when it and its children are.
set -eu
folder=$(dirname "$(readlink -f "$0")")
exec unshare --mount --propagation private sh -euc '
  root=$1 place=$2
  shift 2
  for seen in /dev /proc /tmp "$place"; do
    mkdir -p "$root$seen"
    [ "$seen" = / ] || mount --rbind "$seen" "$root$seen"
  done
  for servers in "$root"/usr/lib/postgresql/*/bin; do PATH=${servers#"$root"}:/usr/sbin:/usr/bin:/sbin:/bin; done
  export PATH
  exec chroot "$root" sh -euc "cd \"\$0\"; exec \"\$@\"" "$place" "$@"
' sh "$folder/root" "$PWD" "$(basename "$0")" "$@"
