#!/bin/bash
# build.sh ROOT: a private root file system holding Debian's own llama.cpp, taken from a newer Debian suite.
# The host's packages and apt configuration stay untouched. Signatures and hashes are checked by apt.
# Idempotent: a finished ROOT has ROOT/etc/millrace-engine.txt (package, version, sha256 of the .deb).
# Needs: apt-get, dpkg-deb, the Debian archive keyring. Does not need root.
set -euo pipefail

ROOT=${1:?usage: build.sh ROOT}
SUITE=${MILLRACE_ENGINE_SUITE:-forky}
# setpriv of util-linux gives up root inside the sandbox; the rest is llama-server and what it links.
PACKAGES="libc6 libgcc-s1 libstdc++6 libgomp1 libssl3t64 libzstd1 zlib1g libcap-ng0 util-linux
          libggml0 libllama0 llama.cpp-tools"
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
STAMP=etc/millrace-engine.txt

say() { printf 'engine: %s\n' "$*" >&2; }
die() { printf 'engine: %s\n' "$*" >&2; exit 1; }

if [ -s "$ROOT/$STAMP" ]; then say "$ROOT is complete"; exit 0; fi
for tool in apt-get dpkg-deb sha256sum; do
  command -v "$tool" > /dev/null || die "looked for $tool, found none: this recipe needs a Debian host; set engine.path to a llama-server of your own"
done
[ -s "$KEYRING" ] || die "looked for $KEYRING, found none: apt-get install debian-archive-keyring"

# The mirror is the one from which the host itself takes its Debian packages.
URI=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' |
      awk -F'|' '$1=="Debian" && $2=="Debian" {print $3; exit}')
[ -n "$URI" ] || die "asked apt for the host's Debian mirror, found none: run apt-get update first"

mkdir -p "$(dirname "$ROOT")"
W=$(mktemp -d "$ROOT.XXXXXX")            # private apt state, removed at the end
trap 'rm -rf "$W"' EXIT
chmod 755 "$W"
mkdir -p "$W"/{lists/partial,cache/archives/partial,debs,parts,root}
touch "$W/status"                        # nothing counts as installed
printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
  "$URI" "$SUITE" "$KEYRING" > "$W/suite.sources"
# A testing suite's Release file may be past its date on a mirror; its signature and hashes are checked all the same.
cat > "$W/apt.conf" <<CONF
Dir::Etc::SourceList "$W/suite.sources";
Dir::Etc::SourceParts "$W/parts";
Dir::State "$W";
Dir::State::Lists "$W/lists";
Dir::State::Status "$W/status";
Dir::Cache "$W/cache";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::Check-Valid-Until "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
CONF
export APT_CONFIG=$W/apt.conf

say "reading the package index of $SUITE"
apt-get -qq update >&2 || die "could not read the suite $SUITE from the host's Debian mirror (see above): check the network, or set engine.path to a llama-server of your own"
say "downloading $(echo $PACKAGES | wc -w) packages"
cd "$W/debs"
apt-get -qq download $PACKAGES >&2 || die "could not download the packages (see above)"
say "unpacking"
for deb in *.deb; do dpkg-deb -x "$deb" "$W/root"; done
for l in lib lib64 bin sbin; do          # merged /usr, as in the suite
  [ -d "$W/root/usr/$l" ] && [ ! -e "$W/root/$l" ] && ln -s "usr/$l" "$W/root/$l"
done
# Of util-linux only setpriv is wanted.
find "$W/root/usr/bin" "$W/root/usr/sbin" ! -type d ! -name 'llama-*' ! -name setpriv -delete
rm -rf "$W/root/usr/share/doc" "$W/root/usr/share/man" "$W/root/usr/share/locale"
mkdir -p "$W/root"/{proc,dev,tmp,data,etc} "$W/root/model"
: > "$W/root/model/model.gguf"           # mount point of the one model file an engine is given
printf 'root:x:0:0::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n' > "$W/root/etc/passwd"
for deb in *.deb; do
  printf '%s %s %s\n' "$(dpkg-deb -f "$deb" Package)" "$(dpkg-deb -f "$deb" Version)" \
    "$(sha256sum < "$deb" | cut -d' ' -f1)"
done | LC_ALL=C sort > "$W/root/$STAMP"
chmod 755 "$W/root"
[ -x "$W/root/usr/bin/llama-server" ] || die "the packages hold no usr/bin/llama-server: the suite's layout has changed"
rm -rf "$ROOT"
mv "$W/root" "$ROOT"                     # the stamp comes with the rename
say "$ROOT is ready, $(du -sh "$ROOT" | cut -f1)"
