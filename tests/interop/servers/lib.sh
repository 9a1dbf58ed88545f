# What the scripts of this folder share.
#
#   NAME.sh build CACHE          installs the server into CACHE, once, and prints the versions there
#   NAME.sh run CACHE DIR PORT   runs it on PORT and those behind it until standard input ends, so that it never outlives who started it
#
# DIR belongs to the run. It holds certs/ (ca.pem, server.pem, server.key), token and token.key, and is where mail and logs go.
#
# A server has a root of its own: an overlay over the machine's, with the packages installed in it. Its process ids, host name, hosts file and
# resolver are its own too; of the machine it has the loopback. Nothing outside CACHE and DIR is written. That takes root, Linux and overlayfs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
action=${1:-} cache=${2:-} dir=${3:-} port=${4:-}

fail() {
  echo "$*" >&2
  exit 1
}

# install_packages NAME PACKAGE...   Debian packages, into the overlay CACHE/NAME
install_packages() {
  overlay=$cache/$1; shift
  [ "$(id -u)" = 0 ] || fail "only root can give it a root of its own"
  command -v apt-get >/dev/null || fail "there is no apt-get here"
  [ -e "$overlay/packages" ] && [ "$(cat "$overlay/packages")" = "$*" ] && return
  rm -rf "$overlay"; mkdir -p "$overlay/upper" "$overlay/work" "$overlay/root"
  unshare --mount sh -eu -c '
    overlay=$1; shift; root=$overlay/root
    mount --make-rprivate /
    mount -t overlay overlay -o "lowerdir=/,upperdir=$overlay/upper,workdir=$overlay/work" "$root"
    mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"
    printf "#!/bin/sh\nexit 101\n" > "$root/usr/sbin/policy-rc.d"; chmod 755 "$root/usr/sbin/policy-rc.d"
    export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
    ls "$root/var/lib/apt/lists" | grep -q _Packages || chroot "$root" apt-get update -qq
    chroot "$root" apt-get install -y -qq --no-install-recommends "$@" </dev/null
    chroot "$root" apt-get clean; rm -rf "$root/usr/share/doc" "$root/usr/share/man"
  ' sh "$overlay" "$@" >"$overlay/log" 2>&1 || fail "$(grep -E '^(E:|mount:|unshare:)' "$overlay/log" | head -n 3; echo "see $overlay/log")"
  echo "$*" > "$overlay/packages"
}

# package_version NAME PACKAGE   the version that is installed there, without Debian's own part
package_version() {
  awk -v RS= -v package="$2" '$0 ~ "^Package: " package "\n"' "$cache/$1/upper/var/lib/dpkg/status" |
    sed -nE 's/^Version: ([0-9]+:)?([0-9][0-9.]*).*/\2/p'
}

# install_npm NAME@VERSION   an npm package, into CACHE/npm-NAME
install_npm() {
  name=${1%@*}
  modules=$cache/npm-$name
  [ -e "$modules/installed" ] && [ "$(cat "$modules/installed")" = "$1" ] && return
  command -v npm >/dev/null || fail "there is no npm here"
  rm -rf "$modules"; mkdir -p "$modules"; echo '{}' > "$modules/package.json"
  (cd "$modules" && npm install --ignore-scripts --omit=optional --no-audit --no-fund --no-package-lock --loglevel=error "$1") >"$modules/log" 2>&1 ||
    fail "$(head -n 5 "$modules/log")"
  echo "$1" > "$modules/installed"
}

# serve_inside NAME COMMAND...   runs COMMAND in the root in which NAME is installed; "-" is a root in which nothing is
serve_inside() {
  overlay=$cache/$1; shift
  mkdir -p "$dir/overlay/work" "$dir/overlay/root"
  if [ "$overlay" = "$cache/-" ]; then mkdir "$dir/overlay/upper"; else cp -a --reflink=auto "$overlay/upper" "$dir/overlay/upper"; fi
  serve unshare --mount --uts --pid --fork --kill-child=KILL sh -eu -c '
    dir=$1 cache=$2 overlay=$1/overlay root=$1/overlay/root; shift 2
    mount --make-rprivate /
    mount -t overlay overlay -o "lowerdir=/,upperdir=$overlay/upper,workdir=$overlay/work" "$root"
    mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"
    for shared in "$dir" "$cache"; do mkdir -p "$root$shared"; mount --bind "$shared" "$root$shared"; done
    hostname mail.test
    rm -f "$root/etc/hosts" "$root/etc/resolv.conf"
    printf "127.0.0.1 mail.test localhost\n127.0.0.1 x.test\n" > "$root/etc/hosts"
    printf "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n" > "$root/etc/resolv.conf"
    sed -i "s/^hosts:.*/hosts: files/" "$root/etc/nsswitch.conf"
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
    exec chroot "$root" "$@"
  ' sh "$dir" "$cache" "$@"
}

# serve COMMAND...   runs COMMAND until it ends or standard input does
serve() {
  exec 3<&0
  "$@" </dev/null >"$dir/out.log" 2>&1 3<&- &
  server=$!
  { cat <&3 >/dev/null; end_server; } &
  watcher=$!
  exec 3<&-
  trap 'kill -KILL "$watcher" 2>/dev/null; end_server; rm -rf "$dir/overlay"' EXIT
  trap 'exit 1' INT TERM HUP
  wait "$server"
}

# Ends the server; where it has process ids of its own their first is ended, and everything with it before `unshare` returns.
end_server() {
  first=
  # The file ends without a newline, which `read` takes for a failure.
  read -r first _ < "/proc/$server/task/$server/children" || true
  kill -KILL "${first:-$server}" || true
} 2>/dev/null

main() {
  case $action in
    build) [ -n "$cache" ] || usage; mkdir -p "$cache"; build ;;
    run) [ -n "$port" ] || usage; run ;;
    *) usage ;;
  esac
}

usage() {
  fail "usage: $0 build CACHE | run CACHE DIR PORT"
}
