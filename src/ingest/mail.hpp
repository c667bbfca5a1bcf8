#pragma once
#include <vector>

#include "ingest/pending.hpp"

namespace pebbles::ingest {

/// Collects settlements and delivers them with one call per sink. Threads: one. What was not delivered goes out when
/// it is destroyed.
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
  struct Bag {
    AckSink* sink;
    std::vector<Settlement> settlements;
  };
  std::vector<Bag> bags_;
};

}  // namespace pebbles::ingest
