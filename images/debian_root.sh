#!/bin/bash
# debian_root.sh FOLDER PACKAGE...: unpacks Debian packages and all that they depend on into FOLDER, from the host's own
# suite. The host's packages and apt configuration stay untouched; signatures and hashes are checked by apt. No
# maintainer script runs. FOLDER/etc/millrace-packages.txt tells package, version and sha256 of the .deb.
# Needs: apt-get, dpkg-deb. Does not need root.
set -euo pipefail

FOLDER=${1:?usage: debian_root.sh FOLDER PACKAGE...}; shift
say() { printf 'image: %s\n' "$*" >&2; }
die() { printf 'image: %s\n' "$*" >&2; exit 1; }
for tool in apt-get dpkg-deb sha256sum; do
  command -v "$tool" > /dev/null || die "looked for $tool, found none: this recipe needs a Debian host"
done
apt-get indextargets --format '$(CREATED_BY)' 2> /dev/null | grep -q Packages ||
  die "asked apt for its package index, found none: run apt-get update first"

W=$(mktemp -d "$FOLDER.apt.XXXXXX")
trap 'rm -rf "$W"' EXIT
mkdir -p "$W"/{archives/partial,debs}
: > "$W/status"                          # nothing counts as installed: the closure is whole
APT="apt-get -qq -o Dir::State::status=$W/status -o Dir::Cache::archives=$W/archives -o Debug::NoLocking=1
     -o APT::Sandbox::User= -o APT::Install-Recommends=false -o Acquire::Retries=3"
LIST=$($APT --print-uris --yes install "$@" | awk '{print $2}' | sed 's/_.*//') ||
  die "apt cannot resolve the packages (see above): run apt-get update"
say "downloading $(echo "$LIST" | wc -w) packages"
(cd "$W/debs" && $APT download $LIST >&2) || die "could not download the packages (see above)"
say "unpacking"
mkdir -p "$FOLDER"/usr/{bin,sbin,lib,lib64} "$FOLDER"/{etc,proc,dev,tmp,data}
for l in bin sbin lib lib64; do   # before the first package
  ln -sfn "usr/$l" "$FOLDER/$l"
done
for deb in "$W"/debs/*.deb; do
  # Merged /usr: what a package has below /bin or /lib goes through the links made above.
  dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --no-same-owner -C "$FOLDER"
  printf '%s %s %s\n' "$(dpkg-deb -f "$deb" Package)" "$(dpkg-deb -f "$deb" Version)" \
    "$(sha256sum < "$deb" | cut -d' ' -f1)"
done | LC_ALL=C sort > "$W/packages.txt"
mv "$W/packages.txt" "$FOLDER/etc/millrace-packages.txt"
rm -rf "$FOLDER"/usr/share/{doc,man,locale,info,lintian} "$FOLDER"/{var,boot,home,root,run,sys,media,mnt,srv,opt}
find "$FOLDER/usr" -perm /6000 -type f -exec chmod ug-s {} +   # nobody becomes another user in a sandbox
# The user of a sandbox is 65534.
printf 'root:x:0:0::/:/usr/sbin/nologin\nuser:x:65534:65534::/home/user:/bin/bash\n' > "$FOLDER/etc/passwd"
printf 'root:x:0:\nuser:x:65534:\n' > "$FOLDER/etc/group"
# Names and resolvers come from the sandbox, where a file is there to be covered.
printf '127.0.0.1 localhost\n' > "$FOLDER/etc/hosts"
: > "$FOLDER/etc/resolv.conf"
