#include "telemetry/ingest_metrics.hpp"

#include <array>
#include <mutex>
#include <string>
#include <unordered_map>

#include "telemetry/registry.hpp"
#include "telemetry/top_clients.hpp"

namespace pebbles::telemetry {
namespace {

using prometheus::Counter;

constexpr std::array channel_names{"rest", "sqs", "kafka"};  // as domain::Channel has them
constexpr std::array<const char*, update_outcomes> outcome_names{"applied", "duplicate", "refused", "retry"};
constexpr std::array failure_names{"invalid", "unavailable"};
constexpr std::string_view others_name = "(others)";  // no client's: the pattern of names is for people to choose
constexpr std::string_view unknown_name = "(unknown)";

struct IngestSeries {
  IngestSeries() {
    auto& settled = prometheus::BuildCounter()
                        .Name("pebbles_updates_total")
                        .Help("Updates that were decided, by the way they came and by what became of them.")
                        .Register(registry());
    for (std::size_t channel = 0; channel < channel_names.size(); ++channel)
      for (std::size_t outcome = 0; outcome < outcome_names.size(); ++outcome)
        updates.at(channel).at(outcome) =
            &settled.Add({{"channel", channel_names.at(channel)}, {"outcome", outcome_names.at(outcome)}});
  }

  prometheus::Histogram& commit_seconds =
      histogram("pebbles_commit_duration_seconds", "How long the store takes to commit a batch.", seconds_buckets);
  prometheus::Histogram& batch_updates = histogram("pebbles_batch_updates", "Updates in a batch that a lane commits.",
                                                   {1, 10, 100, 1'000, 5'000, 10'000, 20'000, 40'000});
  std::array<std::array<Counter*, update_outcomes>, channel_names.size()> updates{};
};

IngestSeries& ingest_series() {
  static IngestSeries all;
  return all;
}

/// The series of failures: two for each client that is named.
class Failures {
 public:
  void name_at_most(std::size_t clients_max) {
    const std::lock_guard lock{mutex_};
    top_ = TopClients{clients_max};
  }

  void add(std::string_view client, UpdateFailure why) {
    const std::lock_guard lock{mutex_};
    if (client.empty()) return of(unknown_name).at(static_cast<std::size_t>(why))->Increment();
    const auto counted = top_.count(client);
    if (counted.leaves) forget(*counted.leaves);
    of(counted.named ? client : others_name).at(static_cast<std::size_t>(why))->Increment();
  }

 private:
  using Both = std::array<Counter*, failure_names.size()>;

  Both& of(std::string_view client) {
    const auto [entry, is_new] = clients_.try_emplace(std::string{client});
    if (is_new)
      for (std::size_t i = 0; i < failure_names.size(); ++i)
        entry->second.at(i) = &family_.Add({{"client", entry->first}, {"reason", failure_names.at(i)}});
    return entry->second;
  }

  void forget(const std::string& client) {
    const auto entry = clients_.find(client);
    for (auto* const counter : entry->second) family_.Remove(counter);
    clients_.erase(entry);
  }

  prometheus::Family<Counter>& family_ = prometheus::BuildCounter()
                                             .Name("pebbles_updates_failed_total")
                                             .Help("Updates that were not counted, by client and by why not.")
                                             .Register(registry());
  std::mutex mutex_;
  TopClients top_{0};  ///< until it is said how many
  std::unordered_map<std::string, Both> clients_;
};

Failures& failures() {
  static Failures all;
  return all;
}

}  // namespace

void batch_committed(std::size_t updates, std::chrono::steady_clock::duration took) {
  ingest_series().batch_updates.Observe(static_cast<double>(updates));
  ingest_series().commit_seconds.Observe(seconds_of(took));
}

void updates_settled(domain::Channel channel, UpdateOutcome outcome, std::int64_t updates) {
  if (updates == 0) return;
  ingest_series()
      .updates.at(static_cast<std::size_t>(channel))
      .at(static_cast<std::size_t>(outcome))
      ->Increment(static_cast<double>(updates));
}

void update_failed(std::string_view client, UpdateFailure why) { failures().add(client, why); }

void name_failing_clients(std::size_t clients_max) {
  (void)ingest_series();  // shown from the start
  failures().name_at_most(clients_max);
}

}  // namespace pebbles::telemetry
