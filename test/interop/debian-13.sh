#!/usr/bin/env bash
# Makes a Debian 13 in a folder, whose clients are younger than this machine's. Nothing else of the machine changes.
# It lies in sluice/debian-13-HASH below ${XDG_CACHE_HOME:-~/.cache}, by the hash of what makes it, so that checkouts of other
# times keep theirs. It may be removed at any time. Where it cannot be had its clients are skipped by name.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
all=${XDG_CACHE_HOME:-$HOME/.cache}/sluice
hash=$(cat "$here/debian-13.sh" "$here/debian-13-enter.sh" | sha256sum)
folder=$all/debian-13-${hash:0:12}
mkdir -p "$all"
exec 9>"$all/debian-13.lock"
flock 9
if [[ -d $folder ]]; then
  touch "$folder"
  exit 0
fi
# Those that no checkout has asked for in a week.
find "$all" -maxdepth 1 -name 'debian-13-*' -mtime +7 -exec rm -rf {} +

packages=(awscli python3-boto3 restic s3cmd s3fs fuse3 minio-client pgbackrest barman-cli-cloud postgresql duplicity curl
  golang-go golang-github-aws-aws-sdk-go-v2-dev golang-github-minio-minio-go-v7-dev ruby-aws-sdk-s3 libnet-amazon-s3-perl
  ca-certificates gcc)
# Debian 13 has sccache without S3, and the rclone of Debian 12. These are of the next one, which moves: they are the
# versions that were tried, so what comes in their place is taken up on purpose or not at all.
later=(sccache=0.17.0+ds-3+b2 rclone=1.75.2-2)
programs=(true id runuser aws python3 restic s3cmd s3fs fusermount nsenter cp mv sh mkdir ln chmod stat dd ls rm cat
  minio-client pgbackrest barman-cloud-backup initdb pg_ctl psql duplicity curl go ruby perl sccache gcc rclone dpkg-query)
# What is large and of other services, or only read by people.
without=('/usr/share/man/*' '/usr/share/doc/*' '/usr/share/info/*' '/usr/share/locale/*' '/usr/share/go-*/test/*'
  '/usr/lib/python3/dist-packages/botocore/data/*/*' '/usr/lib/python3/dist-packages/awscli/examples/*'
  '/usr/share/gocode/src/github.com/aws/aws-sdk-go-v2/service/*')
with=('/usr/lib/python3/dist-packages/botocore/data/s3/*' '*/aws-sdk-go-v2/service/s3/*' '*/aws-sdk-go-v2/service/internal/*')

# Where this machine has its own packages from.
mirror() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1; }
from=$(mirror)
if [[ -z $from ]]; then
  apt-get update -qq
  from=$(mirror)
fi

# Whoever finds it finds all of it.
making=$folder.making
root=$making/root
rm -rf "$making"
mkdir -p "$making/bin"
options=(--aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io)
for path in "${without[@]}"; do options+=("--dpkgopt=path-exclude=$path"); done
for path in "${with[@]}"; do options+=("--dpkgopt=path-include=$path"); done
include=$(IFS=, && echo "${packages[*]}")
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
# Mounts of the making are its own, so none is left where it breaks off.
unshare --mount mmdebstrap --mode=root --variant=minbase --architectures="$(dpkg --print-architecture)" \
  --include="$include" "${options[@]}" --keyring="$keyring" \
  --setup-hook='printf "Package: *\nPin: release n=sid\nPin-Priority: 100\n" >"$1/etc/apt/preferences.d/later"' \
  --customize-hook="for one in ${later[*]}; do chroot \"\$1\" apt-get install -y -qq \"\$one\" >/dev/null || echo \"no \$one\" >&2; done" \
  --customize-hook='printf "127.0.0.1 localhost\n" >"$1/etc/hosts"' \
  trixie "$root" "deb $from trixie main" "deb [check-valid-until=no] $from sid main"

cp "$here/debian-13-enter.sh" "$making/enter"
chmod 755 "$making/enter"
for program in "${programs[@]}"; do ln -s ../enter "$making/bin/$program"; done
# What the Go rounds import is compiled with the rest, so that no round waits for it.
GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=/var/cache/go-build GOFLAGS=-buildvcs=false CGO_ENABLED=0 "$making/bin/go" build \
  github.com/aws/aws-sdk-go-v2/{credentials,feature/s3/manager} github.com/minio/minio-go/v7
mv "$making" "$folder"
