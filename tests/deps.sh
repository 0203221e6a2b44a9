#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `make deps`: installs the Debian packages that are missing, by group: build (to compile), test (unit and
# API tests, lint, bench), page (tests of the dashboard in a browser), demo. Without arguments all of them. Asks
# nothing, touches apt only when something is missing, and uses sudo when not root.
set -eu

BUILD='gcc libc6-dev make pkg-config libuv1-dev libsqlite3-dev libjansson-dev libmicrohttpd-dev
libwebsockets-dev libcap-dev libssl-dev libburn-dev libisofs-dev'
TEST='libcmocka-dev python3-pytest python3-requests python3-websocket python3-jsonschema python3-yaml
xorriso libarchive-tools curl jq clang libclang-rt-14-dev clang-format shellcheck cppcheck genisoimage'
PAGE='python3-pytest python3-selenium chromium chromium-driver python3-requests'
DEMO='python3 curl jq xorriso'

wanted=
[ $# -gt 0 ] || set -- build test page
for group in "$@"; do
    case $group in
    build) wanted="$wanted $BUILD" ;;
    test) wanted="$wanted $TEST" ;;
    page) wanted="$wanted $PAGE" ;;
    demo) wanted="$wanted $DEMO" ;;
    *)
        echo "deps.sh: unknown group $group; there are build, test, page and demo" >&2
        exit 2
        ;;
    esac
done

missing=
for package in $wanted; do
    case " $missing " in *" $package "*) continue ;; esac
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
if [ -z "$missing" ]; then
    echo "deps: all packages are installed"
    exit 0
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "deps: not root and no sudo; as root run: apt-get install$missing" >&2
        exit 1
    fi
    as_root=sudo
fi

echo "deps: installing$missing"
$as_root apt-get -q update </dev/null
# word splitting is wanted: names without spaces
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $missing </dev/null
