#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

/// What is counted, and shown at /metrics. Names are stable; docs/kafka.md lists them. Threads: any.
namespace pebbles::telemetry {

/// What became of a message of a queue.
enum class Consumed : std::uint8_t {
  applied,
  duplicate,      ///< it was counted before
  dead_lettered,  ///< it can never be counted
  dropped,        ///< its partition went elsewhere first; it is read again
};
void messages_consumed(Consumed outcome, std::int64_t messages);

/// A lane wrote a batch, whatever became of it.
void batch_committed(std::size_t updates, std::chrono::steady_clock::duration took);

void kafka_lag(const std::string& topic, std::int32_t partition, std::int64_t messages);
/// The partition is read elsewhere from now on: this instance shows no lag of it.
void kafka_not_ours(const std::string& topic, std::int32_t partition);
void kafka_rebalanced();

/// All of it in Prometheus' text format 0.0.4.
[[nodiscard]] std::string metrics_text();

}  // namespace pebbles::telemetry
