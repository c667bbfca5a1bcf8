#pragma once
#include <chrono>
#include <cstddef>
#include <vector>

#include "ingress/sqs/group_lines.hpp"

namespace pebbles::sqs {

/// Holds back for a moment what comes in a backlog: a store commits a thousand updates of a hundred files for little
/// more than a hundred. Nobody waits longer for that: what a message in a backlog waits for is the backlog.
/// Threads: one at a time.
class Gathering {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  static constexpr std::chrono::milliseconds gather_for{200};
  static constexpr std::size_t gathered_max = 4000;

  /// Adds the messages of one receive. What is to go on now: all, when this is the end of the backlog or the last that
  /// there is room for.
  [[nodiscard]] std::vector<Arrival> add(std::vector<Arrival> arrivals, bool more_to_come, SteadyTime now);
  [[nodiscard]] std::vector<Arrival> take_all();
  [[nodiscard]] std::size_t size() const { return gathered_.size(); }
  /// When all has to go on; the end of time when nothing is here.
  [[nodiscard]] SteadyTime until() const { return until_; }

 private:
  std::vector<Arrival> gathered_;
  SteadyTime until_ = SteadyTime::max();
};

}  // namespace pebbles::sqs
