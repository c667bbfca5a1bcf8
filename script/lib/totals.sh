# shellcheck shell=bash
# Adding up what suites count, and the closing line.
result_folder=build/results
passed=0 failed=0 skipped=0

# counted NAME PASSED FAILED SKIPPED SECONDS: prints a suite's line and adds it to the totals.
counted() {
  printf '  %-28s %5d passed, %d failed, %d skipped   %d s\n' "$1" "$2" "$3" "$4" "$5"
  ((passed += $2, failed += $3, skipped += $4)) || true
}

# close NAME: leaves the totals for .ci/run, prints the closing line unless .ci/run will, and exits.
close() {
  mkdir -p "$result_folder"
  echo "$passed $failed $skipped" >"$result_folder/$1.totals"
  [[ -n ${PEBBLES_PART_OF_CI:-} ]] || closing_line
  ((failed == 0 && passed > 0))
  exit
}

closing_line() {
  local line="$passed passed, $failed failed"
  ((skipped == 0)) || line+=", $skipped skipped"
  printf '%s\n' "$line"
}
