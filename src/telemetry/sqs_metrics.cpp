#include "telemetry/sqs_metrics.hpp"

#include <array>

#include "telemetry/consumed.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::telemetry {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;

const Histogram::BucketBoundaries poll_buckets{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20};
const Histogram::BucketBoundaries settle_buckets{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60};

constexpr std::array outcome_names{"applied", "duplicate", "dead_lettered", "left", "dropped"};

/// References to series are kept. Without SQS none of them is there.
struct Series {
  ConsumedSeries consumed{"sqs", outcome_names};
  prometheus::Family<Gauge>& depth = prometheus::BuildGauge()
                                         .Name("pebbles_sqs_queue_messages")
                                         .Help("Messages of the queue by state, as SQS last said, approximately.")
                                         .Register(registry());
  Gauge& visible = depth.Add({{"state", "visible"}});
  Gauge& in_flight = depth.Add({{"state", "in_flight"}});
  Gauge& delayed = depth.Add({{"state", "delayed"}});
  Gauge& pollers = gauge("pebbles_sqs_pollers", "Receives that this instance has under way at once.");
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

}  // namespace

void sqs_consumed(SqsOutcome outcome, std::int64_t messages) {
  series().consumed.add(static_cast<std::size_t>(outcome), messages);
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
