/**
 * Counts of a run from vitest's JSON report. A file that fails outside any test (it does not load, a hook throws) counts as
 * one failure, and so does a run that ends badly without a failed test, or leaves no report.
 *
 * @returns `{ passed, failed, skipped }`
 */
export function count(report, status) {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for (const file of report?.testResults ?? []) {
    const failedBefore = counts.failed
    for (const { status: outcome } of file.assertionResults) {
      counts[outcome === "passed" || outcome === "failed" ? outcome : "skipped"] += 1
    }
    if (file.status === "failed" && counts.failed === failedBefore) counts.failed += 1
  }
  if (status !== 0 && counts.failed === 0) counts.failed = 1
  return counts
}
