#!/bin/bash
# build.sh ROOT [PACKAGE...]: a root file system of the host's Debian suite, with a shell, coreutils, python3, tar, gzip,
# ca-certificates, procps and the packages named; downloaded, checked and configured by apt through mmdebstrap.
# The host's own packages and apt configuration stay untouched. ROOT must not be there; an interrupted build leaves nothing.
# What the image holds stands in ROOT/etc/millrace-packages.txt (package, version), what was asked for in
# ROOT/etc/millrace-image.json. Needs: mmdebstrap, the Debian archive keyring; root, or unprivileged user namespaces.
set -euo pipefail

ROOT=${1:?usage: build.sh ROOT [PACKAGE...]}
shift
ALWAYS=(python3 ca-certificates procps gzip tar)
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

say() { printf 'image: %s\n' "$*" >&2; }
die() { printf 'image: %s\n' "$*" >&2; exit 1; }

[ ! -e "$ROOT" ] || die "$ROOT is there already"
command -v mmdebstrap > /dev/null || die "looked for mmdebstrap, found none: apt-get install mmdebstrap"
[ -s "$KEYRING" ] || die "looked for $KEYRING, found none: apt-get install debian-archive-keyring"
for package in "$@"; do
  [[ $package =~ ^[a-z0-9][a-z0-9.+-]+$ ]] || die "'$package' is no name of a Debian package"
done

mkdir -p "$(dirname "$ROOT")"
W=$(mktemp -d "$(dirname "$ROOT")/.build.XXXXXX")
trap 'rm -rf --one-file-system "$W"' EXIT
trap 'exit 130' INT TERM HUP
chmod 755 "$W"

# The sources are those from which the host itself takes its Debian packages.
apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)|$(CODENAME)|$(COMPONENT)|$(CREATED_BY)' |
  awk -F'|' -v k="$KEYRING" '$1=="Debian" && $5=="Packages" {print "deb [signed-by=" k "] " $2 " " $3 " " $4}' > "$W/sources.list"
[ -s "$W/sources.list" ] || die "asked apt for the host's Debian mirror, found none: run apt-get update first"
SUITE=$(awk 'NR==1 {print $4}' "$W/sources.list")

include=$(IFS=,; echo "${ALWAYS[*]}${*:+,$*}")
say "building $(basename "$ROOT") from $SUITE: ${ALWAYS[*]} $*"
mmdebstrap --variant=essential --include="$include" \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' \
  --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  "$SUITE" "$W/root" "$W/sources.list" 2>&1 | sed -u -n -e 's/^[IW]: /image: /p' -e 's/^E: /image: error: /p' >&2 ||
  die "mmdebstrap could not build it (see above): check the network, and that apt-get update works"

say "finishing"
root=$W/root
dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${Package} ${Version}\n' | LC_ALL=C sort > "$root/etc/millrace-packages.txt"
# Devices come from the sandbox; names and resolvers, too (their files must be there to be covered).
rm -rf "${root:?}"/dev/* "${root:?}"/proc/* "${root:?}"/sys/* "${root:?}"/var/cache/* "${root:?}"/var/lib/apt/lists/* "${root:?}"/tmp/*
rm -f "$root/etc/resolv.conf" "$root/etc/hosts"
: > "$root/etc/resolv.conf"
printf '127.0.0.1 localhost\n' > "$root/etc/hosts"
echo millrace > "$root/etc/hostname"
# Workloads are this user; some programs ask for its home and shell.
sed -i 's|^nobody:.*|nobody:x:65534:65534:nobody:/data:/bin/bash|' "$root/etc/passwd"
# Terminals inside belong to the workload's own group; sshd would insist on giving them to this one, and may not.
sed -i '/^tty:/d' "$root/etc/group"
{
  printf '{"version":1,"source":"debian:%s","requested":[' "$SUITE"
  separator=
  for package in "$@"; do printf '%s"%s"' "$separator" "$package"; separator=,; done
  printf '],"packages":%s,"size_bytes":%s,"created_at":"%s"}\n' "$(wc -l < "$root/etc/millrace-packages.txt")" \
    "$(du -s -B1 "$root" | cut -f1)" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
} > "$root/etc/millrace-image.json"
chmod 755 "$root"
mv -T "$root" "$ROOT"
say "$ROOT is ready, $(du -sh "$ROOT" | cut -f1)"
