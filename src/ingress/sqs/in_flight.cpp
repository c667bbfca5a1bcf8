#include "ingress/sqs/in_flight.hpp"

#include <algorithm>

#include "telemetry/sqs_metrics.hpp"

namespace pebbles::sqs {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

/// What a message weighs here and, parsed, in a lane.
std::size_t bytes_of(const ReceivedMessage& message) {
  constexpr std::size_t fixed = 1200;
  constexpr std::size_t plain_max = 512;  // what is longer has errors or warnings: parsed they weigh twice their text
  const auto body = message.body.size();
  return fixed + body + (body > plain_max ? 2 * (body - plain_max) : 0);
}

}  // namespace

/// What one call of `settle` brought.
struct InFlight::Outcomes {
  std::vector<Ticket> stored;
  std::vector<Ticket> dropped;
  std::vector<Poisoned> poisoned;
  std::vector<ingest::GatePtr> orphans;  ///< gates of messages that are not held any more
  std::vector<steady_clock::duration> took;
  std::int64_t applied = 0;
  std::int64_t duplicate = 0;
};

/// SQS counts in seconds; a queue may have 0, which nothing could be done within.
milliseconds InFlight::half_of_timeout() const { return milliseconds{std::max(visibility_timeout_, seconds{1})} / 2; }

/// While the store is away all that is held is hidden on, twice in a timeout and ten by one call: no more is held than
/// a call each 20 ms can hide.
bool InFlight::is_full() const {
  constexpr std::size_t hidden_each_second = 250;
  const auto seconds_hidden = static_cast<std::size_t>(std::max<std::int64_t>(visibility_timeout_.count(), 1));
  return entries_.size() >= std::min(bounds_.messages_max, hidden_each_second * seconds_hidden) ||
         bytes_ >= bounds_.bytes_max;
}

std::vector<Ticket> InFlight::add(std::vector<ReceivedMessage> messages, SteadyTime at) {
  std::vector<Ticket> out;
  out.reserve(messages.size());
  const std::lock_guard lock{mutex_};
  for (auto& message : messages) {
    if (const auto held = by_id_.find(message.id); held != by_id_.end()) {
      auto& entry = entries_.at(held->second);
      entry.message.receipt = std::move(message.receipt);
      entry.message.receive_count = message.receive_count;
      entry.received = at;
      entry.hide_again = at + half_of_timeout();
      out.push_back(0);
      continue;
    }
    const auto bytes = bytes_of(message);
    by_id_.emplace(message.id, ++last_);
    entries_.emplace(last_, Entry{.message = std::move(message),
                                  .bytes = bytes,
                                  .arrived = at,
                                  .received = at,
                                  .hide_again = at + half_of_timeout()});
    bytes_ += bytes;
    out.push_back(last_);
  }
  return out;
}

void InFlight::refuse(Ticket ticket, std::string_view reason, std::string_view detail) {
  {
    const std::lock_guard lock{mutex_};
    if (const auto found = entries_.find(ticket); found != entries_.end()) found->second.open = false;
  }
  hooks_.poisoned({.ticket = ticket, .reason = std::string{reason}, .detail = std::string{detail}, .gate = nullptr});
}

void InFlight::settle(std::vector<ingest::Settlement> settlements) {
  Outcomes outcomes;
  {
    const std::lock_guard lock{mutex_};
    for (auto& settlement : settlements) settle_one(settlement, outcomes);
  }
  if (!outcomes.dropped.empty()) changed_.notify_all();
  telemetry::sqs_consumed(telemetry::SqsOutcome::applied, outcomes.applied);
  telemetry::sqs_consumed(telemetry::SqsOutcome::duplicate, outcomes.duplicate);
  telemetry::sqs_consumed(telemetry::SqsOutcome::dropped, static_cast<std::int64_t>(outcomes.dropped.size()));
  for (const auto took : outcomes.took) telemetry::sqs_settled(took);
  if (!outcomes.stored.empty()) hooks_.stored(std::move(outcomes.stored));
  for (auto& poisoned : outcomes.poisoned) hooks_.poisoned(std::move(poisoned));
  // Whoever receives the message next has its own gate.
  for (const auto& gate : outcomes.orphans)
    if (gate) gate->pass();
  if (!outcomes.dropped.empty()) hooks_.dropped(std::move(outcomes.dropped));
}

void InFlight::settle_one(ingest::Settlement& settlement, Outcomes& outcomes) {
  auto& [ticket, outcome] = settlement;
  const auto found = entries_.find(ticket);
  auto* const refused = std::get_if<ingest::Refused>(&outcome);
  auto* const unstorable = std::get_if<ingest::Unstorable>(&outcome);
  if (found == entries_.end()) {
    if (refused != nullptr) outcomes.orphans.push_back(std::move(refused->gate));
    if (unstorable != nullptr) outcomes.orphans.push_back(std::move(unstorable->gate));
    return;
  }
  if (std::holds_alternative<ingest::Retry>(outcome)) {
    outcomes.dropped.push_back(ticket);
    return erase(ticket);
  }
  found->second.open = false;
  outcomes.took.push_back(steady_clock::now() - found->second.arrived);
  if (refused != nullptr) {
    outcomes.poisoned.push_back({.ticket = ticket,
                                 .reason = std::string{domain::name_of(refused->why)},
                                 .detail = std::string{domain::detail_of(refused->why)},
                                 .gate = std::move(refused->gate)});
  } else if (unstorable != nullptr) {
    outcomes.poisoned.push_back({.ticket = ticket,
                                 .reason = "unstorable",
                                 .detail = unstorable->unreadable.empty()
                                               ? "the store cannot take this update, whenever it comes"
                                               : std::move(unstorable->unreadable),
                                 .gate = std::move(unstorable->gate)});
  } else {
    ++(std::holds_alternative<ingest::Applied>(outcome) ? outcomes.applied : outcomes.duplicate);
    outcomes.stored.push_back(ticket);
  }
}

std::optional<std::string> InFlight::receipt(Ticket ticket) const {
  const std::lock_guard lock{mutex_};
  const auto found = entries_.find(ticket);
  return found == entries_.end() ? std::nullopt : std::optional{found->second.message.receipt};
}

std::optional<ReceivedMessage> InFlight::message(Ticket ticket) const {
  const std::lock_guard lock{mutex_};
  const auto found = entries_.find(ticket);
  return found == entries_.end() ? std::nullopt : std::optional{found->second.message};
}

void InFlight::erase(Ticket ticket) {
  const auto found = entries_.find(ticket);
  if (found == entries_.end()) return;
  bytes_ -= found->second.bytes;
  by_id_.erase(found->second.message.id);
  entries_.erase(found);
}

void InFlight::forget(std::span<const Ticket> tickets) {
  {
    const std::lock_guard lock{mutex_};
    for (const auto ticket : tickets) erase(ticket);
  }
  changed_.notify_all();
}

std::vector<std::string> InFlight::open_receipts() const {
  const std::lock_guard lock{mutex_};
  std::vector<std::string> out;
  for (const auto& [ticket, entry] : entries_)
    if (entry.open) out.push_back(entry.message.receipt);
  return out;
}

void InFlight::set_visibility_timeout(seconds timeout) {
  const std::lock_guard lock{mutex_};
  if (timeout == visibility_timeout_) return;
  visibility_timeout_ = timeout;
  for (auto& [ticket, entry] : entries_)
    if (entry.hide_again) entry.hide_again = entry.received + half_of_timeout();
}

std::vector<InFlight::Due> InFlight::take_due(SteadyTime now) {
  std::vector<Due> out;
  const std::lock_guard lock{mutex_};
  const auto timeout = std::max(visibility_timeout_, seconds{1});
  for (auto& [ticket, entry] : entries_) {
    if (!entry.hide_again || *entry.hide_again > now) continue;
    if (now + timeout > entry.received + visibility_max) {
      entry.hide_again.reset();
      continue;
    }
    entry.hide_again = now + half_of_timeout();
    out.push_back({.ticket = ticket, .change = {.receipt = entry.message.receipt, .timeout = timeout}});
  }
  return out;
}

void InFlight::give_up_hiding(Ticket ticket) {
  const std::lock_guard lock{mutex_};
  if (const auto found = entries_.find(ticket); found != entries_.end()) found->second.hide_again.reset();
}

std::size_t InFlight::size() const {
  const std::lock_guard lock{mutex_};
  return entries_.size();
}

std::optional<InFlight::SteadyTime> InFlight::oldest_open() const {
  const std::lock_guard lock{mutex_};
  std::optional<SteadyTime> out;
  for (const auto& [ticket, entry] : entries_)
    if (entry.open) out = std::min(out.value_or(entry.arrived), entry.arrived);
  return out;
}

bool InFlight::has_room() const {
  const std::lock_guard lock{mutex_};
  return !is_full();
}

bool InFlight::wait_for_room(milliseconds patience, const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  return changed_.wait_for(lock, stop, patience, [&] { return !is_full(); }) && !stop.stop_requested();
}

bool InFlight::wait_until_empty(milliseconds patience) {
  std::unique_lock lock{mutex_};
  return changed_.wait_for(lock, patience, [&] { return entries_.empty(); });
}

}  // namespace pebbles::sqs
