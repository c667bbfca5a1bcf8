#include "telemetry/store_metrics.hpp"

#include <array>

#include "telemetry/registry.hpp"

namespace pebbles::telemetry {
namespace {

// As StoreOperation has them.
constexpr std::array operation_names{"load", "find_keys", "find_tokens", "commit", "maintain", "by_filename", "by_id",
                                     "list", "summary",   "events",      "feed",   "tail",     "ping"};

struct StoreSeries {
  StoreSeries() {
    auto& durations = prometheus::BuildHistogram()
                          .Name("pebbles_store_operation_duration_seconds")
                          .Help("How long the store takes, by operation; its failures count too.")
                          .Register(registry());
    auto& failed = prometheus::BuildCounter()
                       .Name("pebbles_store_operation_failures_total")
                       .Help("How often the store could not do what it was asked, by operation.")
                       .Register(registry());
    for (std::size_t i = 0; i < operation_names.size(); ++i) {
      seconds.at(i) = &durations.Add({{"operation", operation_names.at(i)}}, seconds_buckets);
      failures.at(i) = &failed.Add({{"operation", operation_names.at(i)}});
    }
    auto& pruned = prometheus::BuildCounter()
                       .Name("pebbles_pruned_total")
                       .Help("What this instance took away because it was too old.")
                       .Register(registry());
    files = &pruned.Add({{"what", "files"}});
    old_events = &pruned.Add({{"what", "events"}});
    tombstones = &pruned.Add({{"what", "tombstones"}});
    auto& runs = prometheus::BuildCounter()
                     .Name("pebbles_prune_runs_total")
                     .Help("Runs of pruning, by how they ended.")
                     .Register(registry());
    runs_done = &runs.Add({{"outcome", "done"}});
    runs_failed = &runs.Add({{"outcome", "failed"}});
  }
  std::array<prometheus::Histogram*, operation_names.size()> seconds{};
  std::array<prometheus::Counter*, operation_names.size()> failures{};
  prometheus::Counter* files = nullptr;  ///< what is pruned
  prometheus::Counter* old_events = nullptr;
  prometheus::Counter* tombstones = nullptr;
  prometheus::Counter* runs_done = nullptr;
  prometheus::Counter* runs_failed = nullptr;
  prometheus::Gauge& last_run_seconds =
      gauge("pebbles_last_prune_duration_seconds", "How long the last run of pruning that did not fail took.");
  prometheus::Gauge& last_run_at =
      gauge("pebbles_last_prune_timestamp_seconds", "When the last run of pruning that did not fail ended.");
  prometheus::Histogram& prune_steps =
      histogram("pebbles_prune_step_duration_seconds", "How long a step of pruning is at work.", seconds_buckets);
  prometheus::Counter& events = counter("pebbles_log_events_total", "Events that this instance added to the log.");
  prometheus::Counter& bytes =
      counter("pebbles_log_bytes_total", "Bytes of the events that this instance added to the log, as text.");
};

StoreSeries& store_series() {
  static StoreSeries all;
  return all;
}

}  // namespace

void store_worked(StoreOperation operation, std::chrono::steady_clock::duration took, bool failed) {
  const auto i = static_cast<std::size_t>(operation);
  store_series().seconds.at(i)->Observe(seconds_of(took));
  if (failed) store_series().failures.at(i)->Increment();
}

void pruned_some(std::int64_t files, std::int64_t events, std::int64_t tombstones,
                 std::chrono::steady_clock::duration worked) {
  store_series().files->Increment(static_cast<double>(files));
  store_series().old_events->Increment(static_cast<double>(events));
  store_series().tombstones->Increment(static_cast<double>(tombstones));
  store_series().prune_steps.Observe(seconds_of(worked));
}

void prune_ended(bool good, std::chrono::steady_clock::duration took) {
  (good ? store_series().runs_done : store_series().runs_failed)->Increment();
  if (!good) return;
  store_series().last_run_seconds.Set(seconds_of(took));
  store_series().last_run_at.SetToCurrentTime();
}

void log_grew(std::size_t events, std::size_t bytes) {
  store_series().events.Increment(static_cast<double>(events));
  store_series().bytes.Increment(static_cast<double>(bytes));
}

}  // namespace pebbles::telemetry
