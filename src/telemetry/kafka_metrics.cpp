#include "telemetry/kafka_metrics.hpp"

#include <array>
#include <map>
#include <mutex>
#include <utility>

#include "telemetry/consumed.hpp"

namespace pebbles::telemetry {
namespace {

constexpr std::array kafka_outcomes{"applied", "duplicate", "dead_lettered", "dropped"};

/// References to series are kept. Without Kafka none of them is there.
struct KafkaSeries {
  ConsumedSeries consumed{"kafka", kafka_outcomes};
  prometheus::Counter& rebalances =
      counter("pebbles_kafka_rebalances_total", "How often this instance was given Kafka partitions anew.");
  prometheus::Counter& expired =
      counter("pebbles_kafka_messages_expired_total",
              "Messages that Kafka's retention removed before this instance had read them, by their offsets.");
  prometheus::Family<prometheus::Gauge>& lag =
      prometheus::BuildGauge()
          .Name("pebbles_kafka_consumer_lag")
          .Help("Messages between the last one that is done with and the end of a partition, of those read here.")
          .Register(registry());
  std::mutex mutex;  ///< of the partitions
  std::map<std::pair<std::string, std::int32_t>, prometheus::Gauge*> lags;
};

KafkaSeries& kafka_series() {
  static KafkaSeries all;
  return all;
}

}  // namespace

void kafka_begins() { (void)kafka_series(); }

void kafka_consumed(KafkaOutcome outcome, std::int64_t messages) {
  kafka_series().consumed.add(static_cast<std::size_t>(outcome), messages);
}

void kafka_lag(const std::string& topic, std::int32_t partition, std::int64_t messages) {
  auto& all = kafka_series();
  const std::lock_guard lock{all.mutex};
  auto& gauge = all.lags[{topic, partition}];
  if (gauge == nullptr) gauge = &all.lag.Add({{"topic", topic}, {"partition", std::to_string(partition)}});
  gauge->Set(static_cast<double>(messages));
}

void kafka_not_ours(const std::string& topic, std::int32_t partition) {
  auto& all = kafka_series();
  const std::lock_guard lock{all.mutex};
  const auto known = all.lags.find({topic, partition});
  if (known == all.lags.end()) return;
  all.lag.Remove(known->second);
  all.lags.erase(known);
}

void kafka_expired(std::int64_t messages) { kafka_series().expired.Increment(static_cast<double>(messages)); }

void kafka_rebalanced() { kafka_series().rebalances.Increment(); }

}  // namespace pebbles::telemetry
