#include "telemetry/consumed.hpp"

namespace pebbles::telemetry {

ConsumedSeries::ConsumedSeries(const char* source, std::span<const char* const> outcomes)
    : last_message_{prometheus::BuildGauge()
                        .Name("pebbles_last_message_timestamp_seconds")
                        .Help("When the last message of a queue was settled.")
                        .Register(registry())
                        .Add({{"source", source}})} {
  auto& family = prometheus::BuildCounter()
                     .Name("pebbles_messages_consumed_total")
                     .Help("Messages of queues, by source and by what became of them.")
                     .Register(registry());
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    outcomes_.at(i) = &family.Add({{"source", source}, {"outcome", outcomes[i]}});
}

void ConsumedSeries::add(std::size_t outcome, std::int64_t messages) {
  if (messages == 0) return;
  outcomes_.at(outcome)->Increment(static_cast<double>(messages));
  last_message_.SetToCurrentTime();
}

}  // namespace pebbles::telemetry
