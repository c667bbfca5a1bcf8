#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

/// What is shown at /metrics. Threads: any.
namespace pebbles::telemetry {

/// What nobody counts, because it can be looked at.
struct Readings {
  std::string_view version;
  bool ready = false;
  std::size_t connections = 0;     ///< open, of HTTP
  std::size_t queued_updates = 0;  ///< waiting for their lane
  std::size_t pool_in_use = 0;     ///< the store's connections
  std::size_t pool_idle = 0;
  std::size_t pool_waiting = 0;                                 ///< threads that wait for one
  std::optional<std::chrono::milliseconds> clock_difference{};  ///< how far this clock is ahead of the store's
};

/// Shows from the start what every instance counts, and names at most so many clients among those whose updates fail.
/// Call once, before anything is counted.
void start_metrics(std::size_t clients_max);

/// All that was counted, `readings`, and what the system says of this process, in Prometheus' text format 0.0.4.
[[nodiscard]] std::string metrics_text(const Readings& readings);

}  // namespace pebbles::telemetry
