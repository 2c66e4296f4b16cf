# Reads the output of `cargo test` and prints "PASSED FAILED", summed over its test binaries and doc tests.
# Variable: status, the exit status of the command. A failure that no summary tells of (a build error, a test binary that
# crashed) and a run without any test count as one failure.
/^test result: / {
  for (i = 1; i < NF; i++) {
    if ($(i + 1) == "passed;") passed += $i
    if ($(i + 1) == "failed;") failed += $i
  }
}
END {
  if (failed == 0 && (status != 0 || passed == 0)) failed = 1
  print passed + 0, failed + 0
}
