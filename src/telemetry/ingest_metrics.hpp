#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "domain/values.hpp"

/// What is counted of updates, whatever way they came. Names are stable; docs/metrics.md lists them. Threads: any.
namespace pebbles::telemetry {

/// A lane wrote a batch, whatever became of it.
void batch_committed(std::size_t updates, std::chrono::steady_clock::duration took);

/// What became of an update that reached a lane.
enum class UpdateOutcome : std::uint8_t {
  applied,
  duplicate,  ///< it was counted before
  refused,    ///< it can never be counted
  retry,      ///< its sender is to try again
};
inline constexpr std::size_t update_outcomes = 4;
void updates_settled(domain::Channel channel, UpdateOutcome outcome, std::int64_t updates);

/// Why an update of a client was not counted.
enum class UpdateFailure : std::uint8_t {
  invalid,      ///< it can never be: what it says is wrong, or a rule is against it
  unavailable,  ///< not now: its sender was told to try again
};
/// Call it once for each update of which the sender hears so, or that becomes a dead letter. `client` is one that may
/// be believed: of a valid token, or of a queue's message; "" where a message does not name any.
void update_failed(std::string_view client, UpdateFailure why);
/// How many clients are named (METRICS_CLIENTS_MAX); the failures of others are counted as one. Call before the first
/// failure.
void name_failing_clients(std::size_t clients_max);

}  // namespace pebbles::telemetry
