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

constexpr std::array sqs_outcomes{"applied", "duplicate", "dead_lettered", "left", "dropped"};

/// References to series are kept. Without SQS none of them is there.
struct SqsSeries {
  ConsumedSeries consumed{"sqs", sqs_outcomes};
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

SqsSeries& sqs_series() {
  static SqsSeries all;
  return all;
}

}  // namespace

void sqs_consumed(SqsOutcome outcome, std::int64_t messages) {
  sqs_series().consumed.add(static_cast<std::size_t>(outcome), messages);
}

void sqs_received(std::size_t messages, std::chrono::steady_clock::duration took) {
  sqs_series().received.Increment(static_cast<double>(messages));
  sqs_series().poll_seconds.Observe(seconds_of(took));
}

void sqs_settled(std::chrono::steady_clock::duration took) { sqs_series().settle_seconds.Observe(seconds_of(took)); }

void sqs_hidden_on() { sqs_series().hidden_on.Increment(); }

void sqs_pollers(std::size_t count) { sqs_series().pollers.Set(static_cast<double>(count)); }

void sqs_depth(const SqsDepth& depth) {
  sqs_series().visible.Set(static_cast<double>(depth.visible));
  sqs_series().in_flight.Set(static_cast<double>(depth.in_flight));
  sqs_series().delayed.Set(static_cast<double>(depth.delayed));
}

void sqs_delete_failed(std::string_view code, std::string_view what) {
  sqs_series().delete_failures.Increment();
  sqs_delete_refused(code, what);
}

void sqs_message_damaged(std::string_view id) {
  sqs_series().damaged.Increment();
  sqs_checksum_differs(id);
}

}  // namespace pebbles::telemetry
