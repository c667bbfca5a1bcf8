#!/usr/bin/env bash
# Processes a CSV file row by row and reports its progress to Pebbles. Needs bash and curl (7.71 or later).
# Exits 0 when every report was taken, 1 when one was refused, 2 on wrong usage, 3 when the service stayed away too long.
set -euo pipefail
export LC_ALL=C

usage() {
  cat >&2 <<'TEXT'
usage: worker.sh --client KRN [--url URL] [--token TOKEN] [--filename NAME] [--every N]
                 [--missing ignore|warn|error] [--error-value VALUE]… [--run-id ID] [--retry-seconds S] FILE.csv
URL and TOKEN can also come from PEBBLES_URL and PEBBLES_TOKEN.
TEXT
  exit 2
}

url=${PEBBLES_URL:-http://127.0.0.1:8081} token=${PEBBLES_TOKEN:-} client='' filename='' every=100 missing=ignore
error_values=() run_id='' retry_seconds=300 file=''
while (($#)); do
  case $1 in
    --*) (($# > 1)) || usage ;;&
    --url) url=${2%/} ;;
    --token) token=$2 ;;
    --client) client=$2 ;;
    --filename) filename=$2 ;;
    --every) every=$2 ;;
    --missing) missing=$2 ;;
    --error-value) error_values+=("$2") ;;
    --run-id) run_id=$2 ;;
    --retry-seconds) retry_seconds=$2 ;;
    --*) usage ;;
    *) file=$1 && set -- '' "$@" ;;
  esac
  shift 2
done
[[ -n $client && -n $token && -f $file && $every =~ ^[1-9][0-9]*$ && $retry_seconds =~ ^[1-9][0-9]*$ ]] || usage
[[ $missing =~ ^(ignore|warn|error)$ ]] || usage
filename=${filename:-${file##*/}}

# Reads the next row into `fields`; `line` is the line of the file that it ends on. Quoted fields may hold commas,
# doubled quotes and line breaks; an empty line is no row. Fails at the end of the file.
line=0
read_line() {
  IFS= read -r text || [[ -n $text ]] || return 1
  ((line += 1))
}
read_row() {
  local text rest field
  fields=()
  while :; do
    read_line || return 1
    ((line > 1)) || text=${text#$'\xef\xbb\xbf'}
    rest=${text%$'\r'}
    [[ -z $rest ]] || break
  done
  while :; do
    field=
    if [[ $rest == \"* ]]; then
      rest=${rest#\"}
      while :; do
        if [[ $rest != *\"* ]]; then # the quote is still open: the field goes on in the next line
          field+=$rest$'\n'
          if ! read_line; then
            rest=
            break
          fi
          rest=${text%$'\r'}
          continue
        fi
        field+=${rest%%\"*}
        rest=${rest#*\"}
        [[ $rest == \"* ]] || break
        field+=\"
        rest=${rest#\"}
      done
    fi
    field+=${rest%%,*}
    fields+=("$field")
    [[ $rest == *,* ]] || return 0
    rest=${rest#*,}
  done
}

# JSON's escapes, into `quoted`.
quote() {
  local text=$1 number control escape
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  if [[ $text == *[$'\x01'-$'\x1f']* ]]; then
    for number in {1..31}; do
      printf -v escape '\\u%04x' "$number"
      printf -v control %b "$escape"
      text=${text//"$control"/$escape}
    done
  fi
  quoted="\"$text\""
}

percent_encoded() {
  local text=$1 out='' i char
  for ((i = 0; i < ${#text}; i++)); do
    char=${text:i:1}
    case $char in
      [a-zA-Z0-9._~-]) out+=$char ;;
      *) printf -v out '%s%%%02X' "$out" "'$char" ;;
    esac
  done
  printf %s "$out"
}

# The errors and warnings of the row in `fields`, added as JSON items to `errors` and `warnings`; `outcome` is what the
# row counts as. This is the place for your own processing.
judge() {
  local number name value bad
  outcome='done'
  if ((${#fields[@]} > ${#header[@]})); then
    add errors "${#fields[@]} fields, the header has ${#header[@]}"
  fi
  for ((number = 0; number < ${#header[@]}; number++)); do
    value=${fields[number]-}
    name=${header[number]:-column $((number + 1))}
    for bad in ${error_values[@]+"${error_values[@]}"}; do
      if [[ $value == "$bad" ]]; then
        add errors "$name: $value is not allowed"
        continue 2
      fi
    done
    if [[ -z $value ]]; then
      case $missing in
        warn) add warnings "$name: missing" ;;
        error) add errors "$name: missing" ;;
      esac
    fi
  done
}
add() {
  quote "$2"
  local item="{\"line\":$line,\"message\":$quoted}"
  if [[ $1 == errors ]]; then
    errors+=${errors:+,}$item outcome=failed
  else
    warnings+=${warnings:+,}$item
    [[ $outcome == failed ]] || outcome=warn
  fi
}

# Sends what has gathered. curl tries again on connection errors, 408, 429 and 5xx and waits as Retry-After says; the
# key is the same on every try, so that a report counts once even if only its answer was lost.
sent=0
report() {
  local is_last=$1 status body
  ((sent += 1))
  rm -f "$folder"/*
  body="{\"filename\":$quoted_filename,\"counts\":{\"done\":$n_done,\"warn\":$n_warn,\"failed\":$n_failed},"
  body+="\"total\":$total,\"isLast\":$is_last,\"errors\":[$errors],\"warnings\":[$warnings]}"
  # What is secret goes through a pipe, not onto the command line, where every user could read it.
  status=$(printf 'header = "Authorization: Bearer %s"\n' "$token" |
    curl --config - --silent --show-error --max-time 30 --output "$folder/answer" --write-out '%{http_code}' \
      --retry 1000 --retry-all-errors --retry-max-time "$retry_seconds" --stderr "$folder/problem" \
      --header 'Content-Type: application/json' --header "Idempotency-Key: $run_id-$sent" \
      --header 'Prefer: return=minimal' --data-binary "@"<(printf %s "$body") "$endpoint") || true
  case $status in
    200) ;;
    '' | 000 | 408 | 429 | 500 | 502 | 503 | 504) give_up 3 "gave up after $retry_seconds s, last: $status" ;;
    *) give_up 1 "refused with $status" ;;
  esac
  n_done=0 n_warn=0 n_failed=0 errors='' warnings=''
}
give_up() {
  printf '%s: %s: ' "$filename" "$2" >&2
  cat "$folder/answer" "$folder/problem" >&2 2>/dev/null || true
  echo >&2
  exit "$1"
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
endpoint=$url/clients/$(percent_encoded "$client")/progress
quote "$filename"
quoted_filename=$quoted
# The same for the same work: a worker that died can be run again from the start, and nothing counts twice.
if [[ -z $run_id ]]; then
  run_id=$({ printf '%s\n' "$filename" "$every" "$missing" ${error_values[@]+"${error_values[@]}"} && cat "$file"; } |
    sha256sum)
  run_id=${run_id:0:32}
fi

total=-1 # the header is no row
while read_row; do ((total += 1)) || true; done <"$file"
((total > 0)) || total=null

n_done=0 n_warn=0 n_failed=0 errors='' warnings='' all_done=0 all_warn=0 all_failed=0
line=0
exec 3<"$file"
read_row <&3 || true
header=(${fields[@]+"${fields[@]}"})
while read_row <&3; do
  judge
  case $outcome in
    done) ((n_done += 1, all_done += 1)) ;;
    warn) ((n_warn += 1, all_warn += 1)) ;;
    failed) ((n_failed += 1, all_failed += 1)) ;;
  esac
  if ((n_done + n_warn + n_failed >= every || ${#errors} + ${#warnings} >= 500000)); then report false; fi
done
report true
echo "$filename: $all_done done, $all_warn with warnings, $all_failed failed; $sent reports"
