# Reads the output of `cargo test`, vitest or Playwright (without colours) and prints "PASSED FAILED", summed over all
# summaries in it. Variable: status, the exit status of the command. A failure that no summary tells of (a build error, a
# test binary that crashed) and a run without any test count as one failure.

# cargo: "test result: ok. 12 passed; 0 failed; ..."
/^test result: / {
  for (i = 1; i < NF; i++) {
    if ($(i + 1) == "passed;") passed += $i
    if ($(i + 1) == "failed;") failed += $i
  }
}
# vitest: "      Tests  1 failed | 12 passed (13)"
/^ +Tests  [0-9]+ (passed|failed)/ {
  for (i = 1; i < NF; i++) {
    if ($(i + 1) == "passed") passed += $i
    if ($(i + 1) == "failed") failed += $i
  }
}
# Playwright: "  1 failed", "  2 did not run", "  12 passed (30.2s)"
/^  [0-9]+ passed \(/ { passed += $1 }
/^  [0-9]+ (failed|flaky|interrupted|did not run)$/ { failed += $1 }

END {
  if (failed == 0 && (status != 0 || passed == 0)) failed = 1
  print passed + 0, failed + 0
}
