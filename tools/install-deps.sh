#!/bin/bash
# Installs with apt-get what building and running need; --test adds what the tests need, --bench what the benchmarks do.
# Does nothing, and needs no network, when everything is there.
source "$(dirname "$0")/steps.sh"

packages=(
  # compiler and build tools
  clang-19 lld-19 llvm-19 libstdc++-12-dev libc6-dev binutils cmake ninja-build ccache pkg-config python3 git
  # libraries
  libboost1.81-dev libboost-json1.81-dev libfmt-dev libsqlite3-dev libssl-dev libmimalloc-dev
  libcli11-dev libtomlplusplus-dev
  # running workloads, building their images, fetching models
  bubblewrap mmdebstrap debian-archive-keyring ca-certificates python3-pip openssl
)
test_packages=(
  libclang-rt-19-dev clang-tidy-19 clang-format-19 libgtest-dev libgmock-dev librapidcheck-dev python3-venv jq curl
  chromium prometheus openssh-client libfaketime
)
bench_packages=(libbenchmark-dev wrk haproxy nginx-light)

for argument in "$@"; do
  case $argument in
    --test) packages+=("${test_packages[@]}") ;;
    --bench) packages+=("${test_packages[@]}" "${bench_packages[@]}") ;;
    *) echo "usage: $0 [--test] [--bench]" >&2; exit 2 ;;
  esac
done

missing() {
  local installed
  # dpkg-query fails when it does not know one of the names, and still lists the others.
  installed=$(dpkg-query -W -f ' ${db:Status-Abbrev}${Package} ' "${packages[@]}" 2>/dev/null || true)
  for package in "${packages[@]}"; do
    [[ " $installed" == *" ii $package "* ]] || echo "$package"
  done
}

give_up() {
  cat >&2 <<TEXT

tried: $1
found: $2
do:    $3
TEXT
  exit 1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -- "$@"; fi
}

# Debian starts a service when its package is installed; the tests want the programs only.
no_services_begin() {
  [ ! -e /usr/sbin/policy-rc.d ] || return 0
  printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
  as_root chmod 755 /usr/sbin/policy-rc.d
  trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
}

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@"
}

command -v dpkg-query >/dev/null || give_up "to list the installed packages" "no dpkg-query on this system" \
  "use Debian 12, or install the equivalents of: ${packages[*]}"
mapfile -t todo < <(missing)
if [ ${#todo[@]} -eq 0 ]; then
  exit 0
fi
if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
  give_up "to install ${todo[*]}" "neither root nor sudo" "run as root: apt-get install ${todo[*]}"
fi
step "refresh the package lists" apt update || echo "going on with the package lists that are here" >&2
no_services_begin
mkdir -p build
log=build/install-deps.log
install_all() { apt install -y --no-install-recommends "${todo[@]}" >"$log" 2>&1; }
step "install ${#todo[@]} packages: ${todo[*]}" install_all || {
  tail -n 15 "$log" >&2
  give_up "apt-get install ${todo[*]}" "the error above (whole log: $log)" \
    "check that the package source is reachable and is Debian 12 (apt-get update), then run make again"
}
mapfile -t todo < <(missing)
[ ${#todo[@]} -eq 0 ] || give_up "apt-get install" "still missing: ${todo[*]}" "install these by hand, then run make again"
