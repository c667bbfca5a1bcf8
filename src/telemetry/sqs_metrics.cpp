#include "telemetry/sqs_metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <array>
#include <string>

#include "telemetry/registry.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::telemetry {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;

const Histogram::BucketBoundaries poll_buckets{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20};
const Histogram::BucketBoundaries settle_buckets{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60};

Counter& counter(const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry()).Add({});
}

Histogram& histogram(const char* name, const char* help, const Histogram::BucketBoundaries& buckets) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry()).Add({}, buckets);
}

/// References to series are kept. Without SQS none of them is there.
struct Series {
  // The same families as Kafka's.
  prometheus::Family<Counter>& consumed = prometheus::BuildCounter()
                                              .Name("pebbles_messages_consumed_total")
                                              .Help("Messages of queues, by source and by what became of them.")
                                              .Register(registry());
  std::array<Counter*, 5> outcomes{
      &consumed.Add({{"source", "sqs"}, {"outcome", "applied"}}),
      &consumed.Add({{"source", "sqs"}, {"outcome", "duplicate"}}),
      &consumed.Add({{"source", "sqs"}, {"outcome", "dead_lettered"}}),
      &consumed.Add({{"source", "sqs"}, {"outcome", "left"}}),
      &consumed.Add({{"source", "sqs"}, {"outcome", "dropped"}}),
  };
  Gauge& last_message = prometheus::BuildGauge()
                            .Name("pebbles_last_message_timestamp_seconds")
                            .Help("When the last message of a queue was settled.")
                            .Register(registry())
                            .Add({{"source", "sqs"}});
  prometheus::Family<Gauge>& depth = prometheus::BuildGauge()
                                         .Name("pebbles_sqs_queue_messages")
                                         .Help("Messages of the queue by state, as SQS last said, approximately.")
                                         .Register(registry());
  Gauge& visible = depth.Add({{"state", "visible"}});
  Gauge& in_flight = depth.Add({{"state", "in_flight"}});
  Gauge& delayed = depth.Add({{"state", "delayed"}});
  Gauge& pollers = prometheus::BuildGauge()
                       .Name("pebbles_sqs_pollers")
                       .Help("Receives that this instance has under way at once.")
                       .Register(registry())
                       .Add({});
  Counter& received = counter("pebbles_sqs_messages_received_total", "Messages received, redeliveries included.");
  Counter& damaged =
      counter("pebbles_sqs_messages_damaged_total", "Messages whose body was not what its checksum says.");
  Counter& delete_failures = counter("pebbles_sqs_delete_failures_total", "Messages that could not be deleted.");
  Counter& hidden_on =
      counter("pebbles_sqs_visibility_extensions_total", "Messages hidden on while they waited for their commit.");
  Histogram& poll_seconds = histogram("pebbles_sqs_receive_duration_seconds",
                                      "How long a receive takes, its wait for messages included.", poll_buckets);
  Histogram& settle_seconds = histogram("pebbles_sqs_settle_duration_seconds",
                                        "From a message's receipt to its outcome in the store.", settle_buckets);
};

Series& series() {
  static Series all;
  return all;
}

double seconds_of(std::chrono::steady_clock::duration took) { return std::chrono::duration<double>(took).count(); }

}  // namespace

void sqs_consumed(SqsOutcome outcome, std::int64_t messages) {
  if (messages == 0) return;
  series().outcomes.at(static_cast<std::size_t>(outcome))->Increment(static_cast<double>(messages));
  series().last_message.SetToCurrentTime();
}

void sqs_received(std::size_t messages, std::chrono::steady_clock::duration took) {
  series().received.Increment(static_cast<double>(messages));
  series().poll_seconds.Observe(seconds_of(took));
}

void sqs_settled(std::chrono::steady_clock::duration took) { series().settle_seconds.Observe(seconds_of(took)); }

void sqs_hidden_on() { series().hidden_on.Increment(); }

void sqs_pollers(std::size_t count) { series().pollers.Set(static_cast<double>(count)); }

void sqs_depth(const SqsDepth& depth) {
  series().visible.Set(static_cast<double>(depth.visible));
  series().in_flight.Set(static_cast<double>(depth.in_flight));
  series().delayed.Set(static_cast<double>(depth.delayed));
}

void sqs_delete_failed(std::string_view code, std::string_view what) {
  series().delete_failures.Increment();
  sqs_delete_refused(code, what);
}

void sqs_message_damaged(std::string_view id) {
  series().damaged.Increment();
  sqs_checksum_differs(id);
}

}  // namespace pebbles::telemetry
