# SPDX-License-Identifier: Apache-2.0
# Messages, progress bars and places, for the other scripts here to source. Bars go to stderr: drawn
# in place on a terminal, and a line at every tenth elsewhere (logs).

SLUICE_HOME="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
SLUICE_CACHE="${SLUICE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/sluice}"
[[ $SLUICE_CACHE == /* ]] || SLUICE_CACHE=$PWD/$SLUICE_CACHE

say() { printf '%s\n' "$*" >&2; }

# One clear sentence, then the end.
fail() {
  bar_end
  printf 'error: %s\n' "$*" >&2
  exit 1
}

bar_label=""
bar_percent=-1

# bar PERCENT LABEL [DETAIL]
bar() {
  local percent=$1 label=$2 detail=${3:-}
  ((percent > 100)) && percent=100
  if [[ -t 2 ]]; then
    local filled=$((percent * 30 / 100))
    local whole="##############################" rest="                              "
    printf '\r\033[K%-24s [%s%s] %3d %% %s' "$label" "${whole:0:filled}" "${rest:filled}" \
      "$percent" "${detail:0:40}" >&2
  elif [[ $label != "$bar_label" || $((percent / 10)) -gt $((bar_percent / 10)) ]]; then
    printf '%s: %d %% %s\n' "$label" "$percent" "$detail" >&2
  fi
  bar_label=$label
  bar_percent=$percent
}

bar_end() {
  if [[ -n $bar_label && -t 2 ]]; then printf '\n' >&2; fi
  bar_label=""
  bar_percent=-1
}

# Runs a command with its output in a file, read by a filter that draws the bar; on failure shows
# the end of that output. with_bar FILTER LOG COMMAND...
with_bar() {
  local filter=$1 log=$2 status
  shift 2
  mkdir -p "$(dirname "$log")"
  set +e
  "$@" 2>&1 < /dev/null | tee "$log" | { "$filter"; bar_end; }
  status=${PIPESTATUS[0]}
  set -e
  return "$status"
}
