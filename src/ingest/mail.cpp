#include "ingest/mail.hpp"

#include <algorithm>
#include <utility>

#include "base/crash_point.hpp"

namespace pebbles::ingest {

void Mail::add(Pending& pending, Outcome outcome) {
  AckSink* const sink = pending.ack.sink();
  if (sink == nullptr) return;
  count(pending, outcome);
  auto found = std::ranges::find(bags_, sink, &Bag::sink);
  if (found == bags_.end()) found = bags_.insert(bags_.end(), Bag{.sink = sink, .settlements = {}});
  found->settlements.push_back({.ticket = pending.ack.release(), .outcome = std::move(outcome)});
}

/// Updates alone. A message of a queue that is to be tried again is: nobody is told of a failure.
void Mail::count(const Pending& pending, const Outcome& outcome) {
  using telemetry::UpdateOutcome;
  static_assert(std::variant_size_v<Outcome> == 5);
  constexpr std::array kinds{UpdateOutcome::applied, UpdateOutcome::duplicate, UpdateOutcome::refused,
                             UpdateOutcome::refused, UpdateOutcome::retry};  // as Outcome has them
  const auto* const report = std::get_if<domain::Report>(&*pending.command);
  if (report == nullptr) return;
  const auto kind = kinds.at(outcome.index());
  const auto channel = report->channel;
  ++counts_.at(static_cast<std::size_t>(channel)).at(static_cast<std::size_t>(kind));
  if (kind == UpdateOutcome::refused)
    telemetry::update_failed(*pending.stream.client, telemetry::UpdateFailure::invalid);
  else if (kind == UpdateOutcome::retry && channel == domain::Channel::rest)
    telemetry::update_failed(*pending.stream.client, telemetry::UpdateFailure::unavailable);
}

void Mail::deliver() {
  if (bags_.empty()) return;
  for (std::size_t channel = 0; channel < counts_.size(); ++channel)
    for (std::size_t outcome = 0; outcome < telemetry::update_outcomes; ++outcome)
      telemetry::updates_settled(static_cast<domain::Channel>(channel), static_cast<telemetry::UpdateOutcome>(outcome),
                                 std::exchange(counts_[channel][outcome], 0));
  PEBBLES_CRASH_POINT("before-answer");
  for (auto& bag : bags_) bag.sink->settle(std::move(bag.settlements));
  bags_.clear();
  PEBBLES_CRASH_POINT("after-answer");
}

}  // namespace pebbles::ingest
