#include "egress/query/derived.hpp"

#include <algorithm>
#include <cmath>

namespace pebbles::query {
namespace {

constexpr std::int64_t all_of_it = 1000;

/// Rows of any outcome: a failed row is behind its worker as much as a good one. Three sums of 53 bits fit.
std::int64_t processed(const domain::Counts& counts) { return counts.done + counts.warn + counts.failed; }

std::optional<std::int64_t> percent_tenths(const domain::Progress& progress) {
  if (progress.completed) return all_of_it;
  if (!progress.total) return std::nullopt;
  const auto done = processed(progress.counts);
  return done < *progress.total ? done * all_of_it / *progress.total : all_of_it;  // 2^53 thousand times is below 2^63
}

/// The average from the first update to the last. What the first one brought was processed before that time began: of n
/// updates, n - 1 fall into it.
std::optional<double> rate(const domain::Progress& progress) {
  const std::chrono::duration<double> took = progress.updated_at - progress.created_at;
  // Of a file that was created again the version goes on.
  const auto updates = static_cast<double>(progress.version - std::max<domain::Version>(progress.born, 1) + 1);
  if (updates < 2 || took.count() <= 0) return std::nullopt;
  return static_cast<double>(processed(progress.counts)) * ((updates - 1) / updates) / took.count();
}

/// Absent for what no clock will see.
std::optional<std::int64_t> whole(double number) {
  if (!(number < static_cast<double>(domain::count_max))) return std::nullopt;
  return static_cast<std::int64_t>(std::max(number, 0.0));
}

}  // namespace

bool is_stalled(const domain::Progress& progress, Timestamp stalled_before) {
  return !progress.completed && progress.updated_at < stalled_before;
}

Derived derive(const domain::Progress& progress, Timestamp now, std::chrono::seconds stalled_after) {
  Derived out;
  out.percent_tenths = percent_tenths(progress);
  out.stalled = is_stalled(progress, now - stalled_after);
  const auto speed = rate(progress);
  if (speed) out.rate_thousandths = whole(*speed * 1000);
  if (progress.completed) return out;
  const auto idle = std::max(now - progress.updated_at, std::chrono::milliseconds{0});  // clocks are set back, too
  out.idle_seconds = std::chrono::floor<std::chrono::seconds>(idle).count();
  if (!speed || *speed <= 0 || !progress.total || out.stalled) return out;
  const auto left = static_cast<double>(std::max<std::int64_t>(*progress.total - processed(progress.counts), 0));
  out.eta_seconds = whole(std::ceil(left / *speed - std::chrono::duration<double>{idle}.count()));
  return out;
}

}  // namespace pebbles::query
