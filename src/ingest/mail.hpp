#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "ingest/pending.hpp"
#include "telemetry/ingest_metrics.hpp"

namespace pebbles::ingest {

/// Collects settlements, counts them, and delivers them with one call per sink. Threads: one. What was not delivered
/// goes out when it is destroyed.
class Mail {
 public:
  Mail() = default;
  Mail(const Mail&) = delete;
  Mail& operator=(const Mail&) = delete;
  ~Mail() { deliver(); }

  /// Takes over the promise of `pending`, if it was not taken over before.
  void add(Pending& pending, Outcome outcome);
  void deliver();

 private:
  using Counts = std::array<std::int64_t, telemetry::update_outcomes>;
  void count(const Pending& pending, const Outcome& outcome);
  struct Bag {
    AckSink* sink;
    std::vector<Settlement> settlements;
  };
  std::vector<Bag> bags_;
  std::array<Counts, domain::channels> counts_{};
};

}  // namespace pebbles::ingest
