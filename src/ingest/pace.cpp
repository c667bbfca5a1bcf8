#include "ingest/pace.hpp"

#include <algorithm>

namespace pebbles::ingest {

void Pace::begin(std::size_t updates, Time now) { batch_ = Batch{.updates = updates, .began = now}; }

void Pace::end(Time now) {
  if (!batch_) return;
  // Half of what was learnt is forgotten with each batch: what a store did that was away says little of one that is
  // back.
  each_ = (each_ + std::chrono::duration<double, std::nano>{now - batch_->began} /
                       static_cast<double>(std::max(batch_->updates, telling))) /
          2;
  batch_.reset();
}

Pace::Duration Pace::elapsed(Time now) const { return batch_ ? now - batch_->began : Duration{0}; }

Pace::Duration Pace::for_updates(std::size_t updates) const {
  return std::chrono::duration_cast<Duration>(each_ * static_cast<double>(updates));
}

std::size_t Pace::updates_in(Duration time) const {
  constexpr std::size_t many = 1'000'000'000;
  if (each_.count() * static_cast<double>(many) < static_cast<double>(time.count())) return many;
  return std::max(static_cast<std::size_t>(static_cast<double>(time.count()) / each_.count()), telling);
}

}  // namespace pebbles::ingest
