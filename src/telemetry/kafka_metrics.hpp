#pragma once
#include <cstdint>
#include <string>

/// What is counted of a topic of Kafka. Names are stable; docs/metrics.md lists them. Threads: any.
namespace pebbles::telemetry {

/// What became of a message.
enum class KafkaOutcome : std::uint8_t {
  applied,
  duplicate,      ///< it was counted before
  dead_lettered,  ///< it can never be counted
  dropped,        ///< its partition went elsewhere first; it is read again
};
/// Shows its series from now on.
void kafka_begins();
void kafka_consumed(KafkaOutcome outcome, std::int64_t messages);

void kafka_lag(const std::string& topic, std::int32_t partition, std::int64_t messages);
/// The partition is read elsewhere from now on: this instance shows no lag of it.
void kafka_not_ours(const std::string& topic, std::int32_t partition);
/// That many offsets were gone before they were read.
void kafka_expired(std::int64_t messages);
void kafka_rebalanced();

}  // namespace pebbles::telemetry
