#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "admission/client_krn.hpp"
#include "base/clock.hpp"
#include "ingest/ingest.hpp"
#include "ingress/kafka/options.hpp"

namespace pebbles::kafka {

/// What the source uses. All that is referred to outlives it.
struct KafkaParts {
  ingest::Ingest& ingest;
  const admission::ClientKrnRule& client_rule;
  const Clock& clock;
};

/// Reads updates from a topic, as a member of a consumer group, into the lanes, and commits their offsets behind the
/// store (docs/kafka.md, docs/invariants.md 8, 9 and 11). A broker or topic that is away is waited for.
/// Threads: one of its own reads, another writes dead letters. Lifetime: `stop` it before the lanes, whose outcomes
/// come here until they have ended, and destroy it after them.
class KafkaSource {
 public:
  /// Errors: invalid_argument for a setting that librdkafka refuses.
  [[nodiscard]] static Result<std::unique_ptr<KafkaSource>> start(const KafkaOptions& options, const KafkaParts& parts);
  virtual ~KafkaSource() = default;

  /// Takes nothing more in, waits until what it has read is settled, commits and leaves the group. False when that took
  /// longer than `deadline`: what was not committed is read again.
  virtual bool stop(std::chrono::milliseconds deadline) = 0;

  /// Why an operator has to look, if one has to: a partition was stopped, or stands still although there is more to
  /// read. Threads: any.
  [[nodiscard]] virtual std::optional<std::string> trouble() const = 0;

  /// Its state as a JSON object: group, partitions with offsets and lag. Threads: any.
  [[nodiscard]] virtual std::string describe() const = 0;
};

}  // namespace pebbles::kafka
