#include "ingest/mail.hpp"

#include <algorithm>

#include "base/crash_point.hpp"

namespace pebbles::ingest {

void Mail::add(Pending& pending, Outcome outcome) {
  AckSink* const sink = pending.ack.sink();
  if (sink == nullptr) return;
  auto found = std::ranges::find(bags_, sink, &Bag::sink);
  if (found == bags_.end()) found = bags_.insert(bags_.end(), Bag{.sink = sink, .settlements = {}});
  found->settlements.push_back({.ticket = pending.ack.release(), .outcome = std::move(outcome)});
}

void Mail::deliver() {
  if (bags_.empty()) return;
  PEBBLES_CRASH_POINT("before-answer");
  for (auto& bag : bags_) bag.sink->settle(std::move(bag.settlements));
  bags_.clear();
  PEBBLES_CRASH_POINT("after-answer");
}

}  // namespace pebbles::ingest
