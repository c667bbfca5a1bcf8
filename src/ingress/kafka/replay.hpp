#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "ingress/kafka/options.hpp"

namespace pebbles::kafka {

/// Which dead letters to send back, and how.
struct ReplayOptions {
  KafkaOptions kafka;                ///< its brokers, `dead_letter_topic` and further settings
  std::optional<Timestamp> from;     ///< judged at this time or later
  std::optional<Timestamp> to;       ///< judged before this time
  std::vector<std::string> reasons;  ///< only these; empty: all
  bool dry_run = false;              ///< count, and send nothing
};

struct ReplayReport {
  std::map<std::string, std::int64_t> by_reason;  ///< the letters that were chosen
  std::int64_t sent = 0;                          ///< acknowledged by every replica that must
  std::int64_t without_value = 0;                 ///< of the chosen: their values were not kept, so they stay
  std::int64_t foreign = 0;                       ///< messages of the topic that are no dead letters of ours
};

/// Sends dead letters that stand in the topic now back to where they came from: key, value and headers of the original,
/// and a header by which the consumer counts each once, however often and however far it is replayed. They stay in the
/// dead-letter topic. Blocks; no state is kept anywhere.
/// Errors: invalid_argument (a setting, or there is no such topic), store_unavailable (the broker does not answer, or a
/// message was not taken: some may have been sent, and replaying again is safe).
[[nodiscard]] Result<ReplayReport> replay(const ReplayOptions& options);

}  // namespace pebbles::kafka
