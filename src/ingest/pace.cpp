#include "ingest/pace.hpp"

#include <algorithm>

namespace pebbles::ingest {

void Pace::begin(std::size_t updates, Time now) { batch_ = Batch{.updates = updates, .began = now}; }

void Pace::end(Time now) {
  if (!batch_) return;
  learn(static_cast<double>(batch_->updates),
        static_cast<double>(std::chrono::nanoseconds{now - batch_->began}.count()));
  batch_.reset();
}

/// The slope of the line that fits the batches best.
void Pace::learn(double updates, double ns) {
  constexpr double kept = 0.8;  // so that a store that was away is forgotten after a dozen of batches
  sums_.batches = kept * sums_.batches + 1;
  sums_.updates = kept * sums_.updates + updates;
  sums_.ns = kept * sums_.ns + ns;
  sums_.updates_squared = kept * sums_.updates_squared + updates * updates;
  sums_.updates_by_ns = kept * sums_.updates_by_ns + updates * ns;
  const double mean = sums_.updates / sums_.batches;
  const double variance = sums_.updates_squared / sums_.batches - mean * mean;
  constexpr double spread_min = 0.1;  // of the mean
  if (variance < spread_min * spread_min * mean * mean || mean == 0) {
    // Batches that are all alike tell nothing: more is let in by and by, until they do.
    each_ns_ *= 0.9;
    return;
  }
  const double slope = (sums_.updates_by_ns - mean * sums_.ns) / sums_.batches / variance;
  each_ns_ = std::clamp(slope, 0.0, sums_.ns / sums_.updates);
}

Pace::Duration Pace::elapsed(Time now) const { return batch_ ? now - batch_->began : Duration{0}; }

Pace::Duration Pace::for_updates(std::size_t updates) const {
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double, std::nano>{each_ns_ * static_cast<double>(updates)});
}

std::size_t Pace::updates_in(Duration time) const {
  constexpr double many = 1e9;
  const auto ns = static_cast<double>(std::chrono::nanoseconds{time}.count());
  return std::max(static_cast<std::size_t>(each_ns_ * many < ns ? many : ns / each_ns_), few);
}

}  // namespace pebbles::ingest
