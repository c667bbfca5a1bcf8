#include "telemetry/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <map>
#include <mutex>
#include <utility>

#include "telemetry/registry.hpp"

namespace pebbles::telemetry {
namespace {

using prometheus::Histogram;

const Histogram::BucketBoundaries seconds_buckets{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                  0.25,  0.5,    1,     2.5,  5,     10};
const Histogram::BucketBoundaries updates_buckets{1, 10, 100, 1'000, 5'000, 10'000, 20'000};

/// References to series are kept: looking one up costs as much as thirty increments.
struct Series {
  prometheus::Family<prometheus::Counter>& consumed =
      prometheus::BuildCounter()
          .Name("pebbles_messages_consumed_total")
          .Help("Messages of queues, by source and by what became of them.")
          .Register(registry());
  std::array<prometheus::Counter*, 4> of_kafka{
      &consumed.Add({{"source", "kafka"}, {"outcome", "applied"}}),
      &consumed.Add({{"source", "kafka"}, {"outcome", "duplicate"}}),
      &consumed.Add({{"source", "kafka"}, {"outcome", "dead_lettered"}}),
      &consumed.Add({{"source", "kafka"}, {"outcome", "dropped"}}),
  };
  prometheus::Gauge& last_message = prometheus::BuildGauge()
                                        .Name("pebbles_last_message_timestamp_seconds")
                                        .Help("When the last message of a queue was settled.")
                                        .Register(registry())
                                        .Add({{"source", "kafka"}});
  Histogram& commit_seconds = prometheus::BuildHistogram()
                                  .Name("pebbles_commit_duration_seconds")
                                  .Help("How long the store takes to commit a batch.")
                                  .Register(registry())
                                  .Add({}, seconds_buckets);
  Histogram& batch_updates = prometheus::BuildHistogram()
                                 .Name("pebbles_batch_updates")
                                 .Help("Updates in a batch that a lane commits.")
                                 .Register(registry())
                                 .Add({}, updates_buckets);
  prometheus::Counter& rebalances = prometheus::BuildCounter()
                                        .Name("pebbles_kafka_rebalances_total")
                                        .Help("How often this instance was given Kafka partitions anew.")
                                        .Register(registry())
                                        .Add({});
  prometheus::Family<prometheus::Gauge>& lag =
      prometheus::BuildGauge()
          .Name("pebbles_kafka_consumer_lag")
          .Help("Messages between the last one that is done with and the end of a partition, of those read here.")
          .Register(registry());
  std::mutex mutex;  ///< of the partitions
  std::map<std::pair<std::string, std::int32_t>, prometheus::Gauge*> lags;
};

Series& series() {
  static Series all;
  return all;
}

}  // namespace

prometheus::Registry& registry() {
  static prometheus::Registry all;
  return all;
}

void messages_consumed(Consumed outcome, std::int64_t messages) {
  if (messages == 0) return;
  series().of_kafka.at(static_cast<std::size_t>(outcome))->Increment(static_cast<double>(messages));
  series().last_message.SetToCurrentTime();
}

void batch_committed(std::size_t updates, std::chrono::steady_clock::duration took) {
  series().batch_updates.Observe(static_cast<double>(updates));
  series().commit_seconds.Observe(std::chrono::duration<double>(took).count());
}

void kafka_lag(const std::string& topic, std::int32_t partition, std::int64_t messages) {
  auto& all = series();
  const std::lock_guard lock{all.mutex};
  auto& gauge = all.lags[{topic, partition}];
  if (gauge == nullptr) gauge = &all.lag.Add({{"topic", topic}, {"partition", std::to_string(partition)}});
  gauge->Set(static_cast<double>(messages));
}

void kafka_not_ours(const std::string& topic, std::int32_t partition) {
  auto& all = series();
  const std::lock_guard lock{all.mutex};
  const auto known = all.lags.find({topic, partition});
  if (known == all.lags.end()) return;
  all.lag.Remove(known->second);
  all.lags.erase(known);
}

void kafka_rebalanced() { series().rebalances.Increment(); }

std::string metrics_text() {
  (void)series();  // shown from the start
  return prometheus::TextSerializer{}.Serialize(registry().Collect());
}

}  // namespace pebbles::telemetry
