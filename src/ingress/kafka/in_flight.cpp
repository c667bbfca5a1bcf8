#include "ingress/kafka/in_flight.hpp"

#include <algorithm>

#include "telemetry/kafka_metrics.hpp"

namespace pebbles::kafka {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr unsigned sequence_bits = 40;
constexpr std::size_t settled_at_once = 256;  // under one lock: the consumer's thread is not kept waiting for long

Ticket ticket_of(ReadingId id, std::uint64_t sequence) { return Ticket{id} << sequence_bits | sequence; }
std::uint64_t sequence_of(Ticket ticket) { return ticket & ((Ticket{1} << sequence_bits) - 1); }
ReadingId reading_of(Ticket ticket) { return static_cast<ReadingId>(ticket >> sequence_bits); }

std::size_t bytes_of(const rd_kafka_message_t& message) {
  constexpr std::size_t fixed = 600;      // librdkafka's own, and the parsed update
  constexpr std::size_t plain_max = 512;  // what is longer has errors or warnings: parsed they weigh twice their text
  const std::size_t items = message.len > plain_max ? 2 * (message.len - plain_max) : 0;
  return fixed + message.len + items + message.key_len;
}

std::optional<std::string> text_of(const void* data, std::size_t size) {
  if (data == nullptr) return std::nullopt;
  return std::string{static_cast<const char*>(data), size};
}

DeadLetter copy_of(const rd_kafka_message_t& message) {
  DeadLetter out;
  out.key = text_of(message.key, message.key_len);
  out.value = text_of(message.payload, message.len);
  out.headers = headers_of(message);
  out.why.position.partition = message.partition;
  out.why.position.offset = message.offset;
  return out;
}

}  // namespace

void InFlight::name_log(std::string log_id) {
  const std::lock_guard lock{mutex_};
  log_id_ = std::move(log_id);
}

ReadingId InFlight::begin(TopicPartition where) {
  const std::lock_guard lock{mutex_};
  auto& reading = readings_[++last_];
  reading.state.where = std::move(where);
  reading.state.progress_at = steady_clock::now();
  return last_;
}

ingest::EpochPtr InFlight::epoch(ReadingId id) const {
  const std::lock_guard lock{mutex_};
  return readings_.at(id).epoch;
}

void InFlight::end_epoch(ReadingId id) {
  const std::lock_guard lock{mutex_};
  if (const auto found = readings_.find(id); found != readings_.end()) found->second.epoch->end();
}

void InFlight::forget(ReadingId id) {
  {
    const std::lock_guard lock{mutex_};
    const auto found = readings_.find(id);
    if (found == readings_.end()) return;
    found->second.epoch->end();
    messages_ -= found->second.state.messages;
    bytes_ -= found->second.state.bytes;
    readings_.erase(found);
  }
  settled_.notify_all();
}

void InFlight::add(std::span<Arrival> arrivals) {
  const std::lock_guard lock{mutex_};
  for (auto& arrival : arrivals) {
    const auto found = readings_.find(arrival.reading);
    if (found == readings_.end() || found->second.tracker.has_passed(arrival.message->offset)) continue;
    auto& reading = found->second;
    const auto bytes = bytes_of(*arrival.message);
    const auto offset = arrival.message->offset;
    if (reading.open == 0) reading.state.progress_at = steady_clock::now();
    arrival.ticket = ticket_of(arrival.reading, reading.tracker.add(offset, {std::move(arrival.message)}));
    ++reading.open;
    ++reading.state.messages;
    reading.state.bytes += bytes;
    ++messages_;
    bytes_ += bytes;
  }
}

InFlight::Reading* InFlight::find(Ticket ticket) {
  const auto found = readings_.find(reading_of(ticket));
  if (found == readings_.end() || found->second.tracker.find(sequence_of(ticket)) == nullptr) return nullptr;
  return &found->second;
}

void InFlight::finish(Reading& reading, Ticket ticket) {
  const auto sequence = sequence_of(ticket);
  const auto bytes = bytes_of(*reading.tracker.find(sequence)->message);
  const auto before = reading.tracker.size();
  reading.tracker.finish(sequence);
  // A message that is done behind one that is not still counts: else one stream that is held would let the window grow
  // without bound.
  const auto gone = before - reading.tracker.size();
  --reading.open;
  reading.state.messages -= gone;
  messages_ -= gone;
  reading.state.bytes -= bytes;
  bytes_ -= bytes;
  if (gone > 0) reading.state.progress_at = steady_clock::now();
}

void InFlight::reached_end(ReadingId id, std::int64_t offset) {
  const std::lock_guard lock{mutex_};
  const auto found = readings_.find(id);
  if (found == readings_.end()) return;
  found->second.tracker.skip_to(offset);
  found->second.state.end = offset;
}

void InFlight::heard_of_end(ReadingId id, std::int64_t end) {
  const std::lock_guard lock{mutex_};
  const auto found = readings_.find(id);
  if (found == readings_.end()) return;
  auto& state = found->second.state;
  const bool was_done = !state.end || found->second.tracker.committable() >= state.end;
  if (was_done && found->second.open == 0) state.progress_at = steady_clock::now();
  state.end = end;
}

DeadLetter InFlight::letter_of(Reading& reading, Ticket ticket, std::string_view reason) {
  auto letter = copy_of(*reading.tracker.find(sequence_of(ticket))->message);
  letter.why.position.topic = reading.state.where.topic;
  letter.why.position.log = log_id_;
  letter.why.reason = reason;
  return letter;
}

void InFlight::when_durable(DeadLetter& letter, Ticket ticket, ingest::GatePtr gate) {
  letter.durable = [this, ticket, gate = std::move(gate)] {
    {
      const std::lock_guard lock{mutex_};
      if (auto* const reading = find(ticket); reading != nullptr) finish(*reading, ticket);
    }
    settled_.notify_all();
    if (gate) gate->pass();
  };
}

void InFlight::refuse(Ticket ticket, std::string_view reason, std::string_view detail) {
  std::optional<DeadLetter> letter;
  {
    const std::lock_guard lock{mutex_};
    auto* const reading = find(ticket);
    if (reading == nullptr) return;
    letter = letter_of(*reading, ticket, reason);
  }
  letter->why.detail = detail;
  when_durable(*letter, ticket, nullptr);
  write_(*std::move(letter));
  telemetry::kafka_consumed(telemetry::KafkaOutcome::dead_lettered, 1);
}

void InFlight::settle(std::vector<ingest::Settlement> settlements) {
  Counts counts;
  for (std::span rest{settlements}; !rest.empty();) {
    const auto some = rest.first(std::min(rest.size(), settled_at_once));
    settle_some(some, counts);
    rest = rest.subspan(some.size());
  }
  settled_.notify_all();
  telemetry::kafka_consumed(telemetry::KafkaOutcome::applied, counts.applied);
  telemetry::kafka_consumed(telemetry::KafkaOutcome::duplicate, counts.duplicate);
  telemetry::kafka_consumed(telemetry::KafkaOutcome::dead_lettered, counts.dead_letters);
  telemetry::kafka_consumed(telemetry::KafkaOutcome::dropped, counts.dropped);
}

void InFlight::settle_some(std::span<ingest::Settlement> settlements, Counts& counts) {
  std::vector<DeadLetter> letters;
  std::vector<ingest::GatePtr> orphans;  // of readings that have ended: whoever reads the message next has its own
  {
    const std::lock_guard lock{mutex_};
    for (auto& [ticket, outcome] : settlements) {
      auto* const reading = find(ticket);
      auto* const refused = std::get_if<ingest::Refused>(&outcome);
      auto* const unstorable = std::get_if<ingest::Unstorable>(&outcome);
      if (refused != nullptr || unstorable != nullptr) {
        auto& gate = refused != nullptr ? refused->gate : unstorable->gate;
        if (reading == nullptr) {
          orphans.push_back(std::move(gate));
          continue;
        }
        ++counts.dead_letters;
        letters.push_back(
            letter_of(*reading, ticket, refused != nullptr ? domain::name_of(refused->why) : "unstorable"));
        if (refused != nullptr)
          letters.back().why.detail = domain::detail_of(refused->why);
        else if (unstorable->unreadable.empty())
          letters.back().why.detail = "the store cannot take this update, whenever it comes";
        else
          letters.back().why.detail = std::move(unstorable->unreadable);
        when_durable(letters.back(), ticket, std::move(gate));
      } else if (reading == nullptr) {
        continue;
      } else if (std::holds_alternative<ingest::Applied>(outcome)) {
        ++counts.applied;
        finish(*reading, ticket);
      } else if (const auto* replayed = std::get_if<ingest::Replayed>(&outcome)) {
        ++counts.duplicate;
        settle_replay(*reading, ticket, *replayed);
      } else {
        ++counts.dropped;
        --reading->open;
        reading->state.must_reread = true;
      }
    }
  }
  for (auto& letter : letters) write_(std::move(letter));
  // Nobody waits for these dead letters, but others of their stream may wait at the gate. Nothing can be behind it of
  // the partition itself: its epoch has ended.
  for (const auto& gate : orphans)
    if (gate) gate->pass();
}

/// A stream that remembers an offset which the partition does not have remembers another log (invariant 9).
void InFlight::settle_replay(Reading& reading, Ticket ticket, const ingest::Replayed& replayed) {
  const auto& [topic, partition] = reading.state.where;
  const auto known = std::ranges::find_if(replayed.now->positions, [&](const domain::LogPosition& position) {
    return position.partition == partition && position.topic == topic && position.log == log_id_;
  });
  const bool possible =
      known == replayed.now->positions.end() || (reading.state.end && known->offset < *reading.state.end);
  if (possible) return finish(reading, ticket);
  reading.suspects.push_back({.ticket = ticket, .remembered = known->offset});
  reading.state.suspect = std::max(reading.state.suspect.value_or(0), known->offset);
}

bool InFlight::judge_suspects(ReadingId id, std::int64_t end) {
  bool found = false;
  {
    const std::lock_guard lock{mutex_};
    const auto reading = readings_.find(id);
    if (reading == readings_.end()) return false;
    reading->second.state.end = std::max(end, reading->second.state.end.value_or(0));
    auto suspects = std::exchange(reading->second.suspects, {});
    for (const auto& suspect : suspects) {
      if (suspect.remembered >= end) {
        found = true;
        reading->second.suspects.push_back(suspect);
      } else if (find(suspect.ticket) != nullptr) {
        finish(reading->second, suspect.ticket);
      }
    }
    if (!found) reading->second.state.suspect = std::nullopt;
  }
  settled_.notify_all();
  return found;
}

ReadingState InFlight::state_of(const Reading& reading) {
  auto out = reading.state;
  out.committable = reading.tracker.committable();
  return out;
}

std::optional<ReadingState> InFlight::state(ReadingId id) const {
  const std::lock_guard lock{mutex_};
  const auto found = readings_.find(id);
  if (found == readings_.end()) return std::nullopt;
  return state_of(found->second);
}

std::vector<ReadingState> InFlight::states() const {
  const std::lock_guard lock{mutex_};
  std::vector<ReadingState> out;
  out.reserve(readings_.size());
  for (const auto& [id, reading] : readings_) out.push_back(state_of(reading));
  return out;
}

bool InFlight::is_full() const {
  const std::lock_guard lock{mutex_};
  return messages_ >= bounds_.messages_max || bytes_ >= bounds_.bytes_max;
}

bool InFlight::has_room() const {
  const std::lock_guard lock{mutex_};
  return messages_ <= bounds_.messages_max / 2 && bytes_ <= bounds_.bytes_max / 2;
}

bool InFlight::wait_for_room(milliseconds patience) {
  std::unique_lock lock{mutex_};
  return settled_.wait_for(lock, patience,
                           [&] { return messages_ < bounds_.messages_max && bytes_ < bounds_.bytes_max; });
}

bool InFlight::wait_until_settled(std::span<const ReadingId> ids, milliseconds patience) {
  std::unique_lock lock{mutex_};
  return settled_.wait_for(lock, patience, [&] {
    return std::ranges::all_of(ids, [&](ReadingId id) {
      const auto found = readings_.find(id);
      return found == readings_.end() || found->second.open == 0;
    });
  });
}

}  // namespace pebbles::kafka
