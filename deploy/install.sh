#!/bin/sh
# Installs Consilium from the folder in which this file lies, without a network. Made by ./run wheels; needs the Python it was made with.
#
#   sh install.sh FOLDER            a hospital
#   sh install.sh FOLDER server     the coordinator: with a reverse proxy, where the system has none
#   PYTHON=python3.12 sh install.sh FOLDER
set -eu
umask 022
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)
python=${PYTHON:-python3}

fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

case $# in
    1) what=consilium ;;
    2) what="consilium[$2]" ;;
    *) fail "give the folder to install into, e.g.: sh install.sh /opt/consilium" ;;
esac
[ ! -e "$1" ] || fail "$1 exists already; give a new folder, and switch to it when it is ready."
(cd "$here" && sha256sum --quiet --strict -c SHA256SUMS) || fail "the files here are not those of SHA256SUMS, or one is missing; copy the folder again."
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python cannot make virtual environments; on Debian install python3-venv, or set PYTHON."
"$python" -m venv "$1"
# --isolated: no settings of this machine may add another source.
if ! "$1/bin/python" -m pip --isolated install --quiet --disable-pip-version-check --no-index --find-links "$here" -c "$here/constraints.txt" "$what"; then
    rm -rf "$1"
    fail "pip failed, see above; wheels are for one kind of machine and one Python ($("$python" --version) here), nothing was left in $1."
fi
printf 'Installed: %s\n' "$("$1/bin/consilium" --version)"
