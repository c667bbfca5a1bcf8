#include "ingress/kafka/kafka_source.hpp"

#include <fmt/core.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <thread>

#include "admission/message.hpp"
#include "base/crash_point.hpp"
#include "base/hex.hpp"
#include "crypto/sha256.hpp"
#include "ingest/file_ids.hpp"
#include "ingress/kafka/consumer.hpp"
#include "ingress/kafka/dead_letters.hpp"
#include "ingress/kafka/in_flight.hpp"
#include "json/writer.hpp"
#include "telemetry/metrics.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::kafka {

using ingest::Pending;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t gather_max = 2000;  ///< messages handed over at once
constexpr std::size_t parked_max = 4000;  ///< of a partition, before it is paused
constexpr milliseconds poll_for{100};
constexpr milliseconds look_every{200};  ///< at pauses, suspects, lags
constexpr milliseconds commit_every{1000};
constexpr milliseconds full_max{3000};  ///< how long the queue of librdkafka is left standing before it is paused
constexpr milliseconds revoke_patience{3000};
constexpr milliseconds pause_min{200};  ///< between attempts to open
constexpr milliseconds pause_max{10'000};
constexpr seconds stall_max{60};

/// A partition that is assigned to us. Of the consumer's thread alone.
struct Partition {
  TopicPartition where;
  ReadingId reading = 0;
  ingest::EpochPtr epoch;
  std::deque<Pending> parked;  ///< for which the lanes had no room, in order; what is read next goes behind them
  bool paused = false;
  bool stopped = false;
  std::optional<std::int64_t> first;      ///< that was read in this reading
  std::optional<std::int64_t> committed;  ///< by us
};

/// What others may see while the thread works.
struct View {
  std::string state = "connecting";
  std::string stopped;  ///< why a partition was stopped
  bool away = false;    ///< no broker answers
  steady_clock::time_point back_at = steady_clock::now();
};

/// The last of that name; empty when there is none.
std::string_view find_header(std::span<const admission::MessageHeader> headers, std::string_view name) {
  std::string_view out;
  for (const auto& header : headers)
    if (header.name == name) out = header.value;
  return out;
}

/// What `header::replay_of` says, as a key may be: anybody can write that header, at any length.
std::string name_of_replay(std::string_view replay_of) {
  if (admission::is_valid_key(replay_of)) return std::string{replay_of};
  return to_hex(crypto::short_sha256({replay_of}));
}

class Source final : public KafkaSource {
 public:
  Source(const KafkaOptions& options, const KafkaParts& parts)
      : options_{options},
        parts_{parts},
        log_id_{options.log_id},
        in_flight_{[this](DeadLetter letter) { dead_letters_.write(std::move(letter)); },
                   {.messages_max = options.messages_max, .bytes_max = options.bytes_max}},
        dead_letters_{options, parts.clock},
        thread_{[this] { run(); }} {}

  ~Source() override { stop(milliseconds{0}); }

  bool stop(milliseconds deadline) override;
  [[nodiscard]] std::optional<std::string> trouble() const override;
  [[nodiscard]] std::string describe() const override;

 private:
  void run();
  [[nodiscard]] bool open();
  void finish();
  void give_up_member();

  // Rebalances.
  void assigned(const std::vector<TopicPartition>& partitions);
  void revoked(bool lost);
  void end_readings(bool commits);

  // Reading.
  void take_in();
  bool make_room();
  void gather(std::vector<InFlight::Arrival>& arrivals, std::vector<Offset>& ends);
  void judge_error(const rd_kafka_message_t& message, std::vector<Offset>& ends);
  [[nodiscard]] std::optional<Pending> read(InFlight::Arrival& arrival, const rd_kafka_message_t& message);
  void hand_over(std::vector<Pending> pendings);
  void hand_over_parked();

  // Looking after.
  void look();
  void look_at(Partition& partition, const ReadingState& state);
  void stop_partition(Partition& partition, std::int64_t remembered, std::int64_t end);
  void read_again(Partition& partition, const ReadingState& state);
  void set_paused(Partition& partition, bool paused);
  void commit();
  [[nodiscard]] std::vector<Offset> committable() const;
  void say(std::string state);
  bool is_news(std::string state);
  void pause_for(milliseconds pause);

  const KafkaOptions options_;
  const KafkaParts parts_;
  std::string log_id_;
  InFlight in_flight_;
  DeadLetters dead_letters_;
  ingest::FileIds ids_;

  std::unique_ptr<Consumer> consumer_;
  std::map<std::int32_t, Partition> partitions_;
  milliseconds open_pause_ = pause_min;
  steady_clock::time_point looked_at_;
  steady_clock::time_point committed_at_;
  std::optional<steady_clock::time_point> full_since_;

  mutable std::mutex mutex_;  ///< of what stands below
  std::condition_variable stops_;
  View view_;
  bool stopping_ = false;
  steady_clock::time_point stop_by_;
  std::atomic<bool> drained_{true};
  std::thread thread_;  // last: it uses the rest
};

bool Source::stop(milliseconds deadline) {
  {
    const std::lock_guard lock{mutex_};
    if (!stopping_) stop_by_ = steady_clock::now() + deadline;
    stopping_ = true;
  }
  stops_.notify_all();
  if (thread_.joinable()) thread_.join();
  return drained_;
}

void Source::say(std::string state) { (void)is_news(std::move(state)); }

bool Source::is_news(std::string state) {
  const std::lock_guard lock{mutex_};
  return std::exchange(view_.state, state) != state;
}

void Source::pause_for(milliseconds pause) {
  std::unique_lock lock{mutex_};
  stops_.wait_for(lock, pause, [&] { return stopping_; });
}

void Source::run() {
  pthread_setname_np(pthread_self(), "kafka");
  const auto stopping = [this] {
    const std::lock_guard lock{mutex_};
    return stopping_;
  };
  while (!stopping()) {
    if (!consumer_ && !open()) {
      give_up_member();
      pause_for(open_pause_);
      open_pause_ = std::min(open_pause_ * 2, pause_max);
      continue;
    }
    take_in();
    look();
    if (const auto fatal = consumer_->fatal_error()) {
      telemetry::kafka_failed("consumer", *fatal);
      give_up_member();
    }
  }
  finish();
}

/// Connects and joins. A broker that does not answer yet is no failure: it is waited for here.
bool Source::open() {
  auto opened = Consumer::open(options_, {.assigned = [this](const auto& partitions) { assigned(partitions); },
                                          .revoked = [this](bool lost) { revoked(lost); },
                                          .committed =
                                              [this](std::span<const Offset> offsets) {
                                                for (const auto& [where, offset] : offsets)
                                                  if (const auto found = partitions_.find(where.partition);
                                                      found != partitions_.end())
                                                    found->second.committed = offset;
                                              },
                                          .away =
                                              [this](std::string_view what) {
                                                const std::lock_guard lock{mutex_};
                                                if (!std::exchange(view_.away, true)) telemetry::kafka_away(what);
                                              }});
  if (!opened) {
    telemetry::kafka_failed("consumer", opened.error().detail);
    return false;
  }
  consumer_ = *std::move(opened);
  say("connecting");
  if (log_id_.empty()) {
    for (;;) {
      (void)consumer_->poll(milliseconds{0});
      if (const auto id = consumer_->cluster_id(milliseconds{500})) {
        log_id_ = *id;
        break;
      }
      const std::lock_guard lock{mutex_};
      if (stopping_) return true;
    }
  }
  in_flight_.name_log(log_id_);
  if (const auto joined = consumer_->subscribe(options_.topic); !joined) {
    telemetry::kafka_failed("consumer", joined.error().detail);
    return false;
  }
  say("joining");
  open_pause_ = pause_min;
  return true;
}

/// The messages it holds go first: librdkafka's handle must outlive them.
void Source::give_up_member() {
  end_readings(false);
  consumer_.reset();
}

void Source::assigned(const std::vector<TopicPartition>& partitions) {
  for (const auto& where : partitions) {
    const auto reading = in_flight_.begin(where);
    partitions_[where.partition] = Partition{.where = where,
                                             .reading = reading,
                                             .epoch = in_flight_.epoch(reading),
                                             .parked = {},
                                             .first = {},
                                             .committed = {}};
  }
  full_since_ = std::nullopt;
  {
    const std::lock_guard lock{mutex_};
    view_.state = "assigned";
    view_.stopped.clear();
    view_.back_at = steady_clock::now();
  }
  telemetry::kafka_assigned(options_.topic, partitions.size());
}

void Source::revoked(bool lost) {
  if (!partitions_.empty()) telemetry::kafka_revoked(options_.topic, partitions_.size(), lost);
  end_readings(!lost);
  say("joining");
}

/// Ends the epochs, gives what is under way a moment to settle, commits what is done, and forgets the rest.
void Source::end_readings(bool commits) {
  std::vector<ReadingId> ids;
  for (auto& [number, partition] : partitions_) {
    in_flight_.end_epoch(partition.reading);
    partition.parked.clear();
    if (commits) set_paused(partition, false);  // librdkafka would remember it over the next assignment
    ids.push_back(partition.reading);
  }
  if (commits && !ids.empty()) {
    in_flight_.wait_until_settled(ids, revoke_patience);
    if (const auto offsets = committable(); !offsets.empty())
      if (const auto done = consumer_->commit_now(offsets, revoke_patience); !done)
        telemetry::kafka_failed("commit", done.error().detail);
  }
  for (const auto& [number, partition] : partitions_) {
    in_flight_.forget(partition.reading);
    telemetry::kafka_not_ours(partition.where.topic, partition.where.partition);
  }
  partitions_.clear();
}

void Source::take_in() {
  hand_over_parked();
  if (!make_room()) return;
  std::vector<InFlight::Arrival> arrivals;
  std::vector<Offset> ends;
  gather(arrivals, ends);
  std::vector<const rd_kafka_message_t*> messages;
  messages.reserve(arrivals.size());
  for (const auto& arrival : arrivals) messages.push_back(arrival.message.get());
  in_flight_.add(arrivals);
  std::vector<Pending> pendings;
  pendings.reserve(arrivals.size());
  for (std::size_t i = 0; i < arrivals.size(); ++i)
    if (auto pending = read(arrivals[i], *messages[i])) pendings.push_back(*std::move(pending));
  if (!arrivals.empty()) PEBBLES_CRASH_POINT("after-parse");
  hand_over(std::move(pendings));
  for (const auto& [where, offset] : ends)
    if (const auto found = partitions_.find(where.partition); found != partitions_.end())
      in_flight_.reached_end(found->second.reading, offset);
}

/// Waits while nothing more may be read. What librdkafka has fetched stays where it is for a while; when that takes
/// long, everything is paused, so that polling, which the group insists on, brings nothing.
bool Source::make_room() {
  if (!in_flight_.is_full()) {
    full_since_ = std::nullopt;
    return true;
  }
  if (in_flight_.wait_for_room(look_every)) return true;
  const auto now = steady_clock::now();
  if (!full_since_) full_since_ = now;
  if (now - *full_since_ < full_max) return false;
  for (auto& [number, partition] : partitions_) set_paused(partition, true);
  return true;
}

void Source::gather(std::vector<InFlight::Arrival>& arrivals, std::vector<Offset>& ends) {
  const bool parks = std::ranges::any_of(partitions_, [](const auto& each) { return !each.second.parked.empty(); });
  auto message = consumer_->poll(parks ? milliseconds{5} : poll_for);
  while (message) {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      judge_error(*message, ends);
    } else if (const auto found = partitions_.find(message->partition); found != partitions_.end()) {
      auto& partition = found->second;
      if (!partition.stopped) {
        if (!partition.first) partition.first = message->offset;
        arrivals.push_back({.reading = partition.reading, .message = std::move(message)});
      }
    }
    if (arrivals.size() >= gather_max) break;
    message = consumer_->poll(milliseconds{0});
  }
  if (arrivals.empty() && ends.empty()) return;
  const std::lock_guard lock{mutex_};
  if (std::exchange(view_.away, false)) {
    view_.back_at = steady_clock::now();
    telemetry::kafka_answers_again();
  }
}

void Source::judge_error(const rd_kafka_message_t& message, std::vector<Offset>& ends) {
  switch (message.err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
      ends.push_back({.where = {.topic = options_.topic, .partition = message.partition}, .offset = message.offset});
      return;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      if (is_news("waiting for the topic")) telemetry::kafka_topic_missing(options_.topic);
      return;
    default: telemetry::kafka_failed("consumer", rd_kafka_message_errstr(&message)); return;
  }
}

/// The update that a message is; nullopt when it is none, which is settled here.
std::optional<Pending> Source::read(InFlight::Arrival& arrival, const rd_kafka_message_t& message) {
  if (arrival.ticket == 0) return std::nullopt;
  std::vector<admission::MessageHeader> headers;
  rd_kafka_headers_t* known = nullptr;
  if (rd_kafka_message_headers(&message, &known) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0; rd_kafka_header_get_all(known, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i)
      headers.push_back({.name = name, .value = {static_cast<const char*>(value), size}});
  }
  auto parsed =
      admission::parse_message({static_cast<const char*>(message.payload), message.len}, headers, parts_.client_rule);
  if (const auto* unusable = std::get_if<admission::Unusable>(&parsed)) {
    in_flight_.refuse(arrival.ticket, admission::name_of(unusable->reason), unusable->detail);
    return std::nullopt;
  }
  auto& update = std::get<admission::Message>(parsed);
  const auto now = parts_.clock.now();
  domain::Report report;
  report.by = std::move(update.by);
  report.channel = domain::Channel::kafka;
  report.at = now;
  // A message's own key knows a replayed dead letter too; without one it is known by where it stood first.
  if (!update.event_id.empty())
    report.key = admission::make_key("p:", update.event_id, update.what);
  else if (const auto replay_of = find_header(headers, header::replay_of); !replay_of.empty())
    report.key = admission::make_key("r:", name_of_replay(replay_of), update.what);
  report.what = std::move(update.what);
  report.position = domain::LogPosition{
      .log = log_id_, .topic = options_.topic, .partition = message.partition, .offset = message.offset};
  report.id_if_new = ids_.next(now);
  return Pending{.stream = std::move(update.stream),
                 .command = std::move(report),
                 .ack = {in_flight_, arrival.ticket},
                 .epoch = partitions_.at(message.partition).epoch};
}

/// What the lanes have no room for is parked, and everything behind it in its partition too.
void Source::hand_over(std::vector<Pending> pendings) {
  const auto park = [this](Pending pending) {
    const auto& position = std::get<domain::Report>(pending.command).position;
    partitions_.at(position->partition).parked.push_back(std::move(pending));
  };
  const bool parks = std::ranges::any_of(partitions_, [](const auto& each) { return !each.second.parked.empty(); });
  if (parks) {
    std::vector<Pending> free;
    for (auto& pending : pendings) {
      const auto& position = std::get<domain::Report>(pending.command).position;
      if (partitions_.at(position->partition).parked.empty())
        free.push_back(std::move(pending));
      else
        park(std::move(pending));
    }
    pendings = std::move(free);
  }
  if (pendings.empty()) return;
  for (auto& pending : parts_.ingest.submit(std::move(pendings))) park(std::move(pending));
}

void Source::hand_over_parked() {
  for (auto& [number, partition] : partitions_) {
    if (partition.parked.empty()) continue;
    std::vector<Pending> again{std::move_iterator{partition.parked.begin()},
                               std::move_iterator{partition.parked.end()}};
    partition.parked.clear();
    for (auto& pending : parts_.ingest.submit(std::move(again))) partition.parked.push_back(std::move(pending));
  }
}

void Source::look() {
  const auto now = steady_clock::now();
  if (now - looked_at_ < look_every) return;
  looked_at_ = now;
  for (auto& [number, partition] : partitions_) {
    if (const auto end = consumer_->known_end(partition.where)) in_flight_.heard_of_end(partition.reading, *end);
    if (const auto state = in_flight_.state(partition.reading)) look_at(partition, *state);
  }
  if (now - committed_at_ >= commit_every) {
    committed_at_ = now;
    commit();
  }
}

void Source::look_at(Partition& partition, const ReadingState& state) {
  if (state.end && state.committable)
    telemetry::kafka_lag(partition.where.topic, partition.where.partition,
                         std::max<std::int64_t>(0, *state.end - *state.committable));
  if (partition.stopped) return;
  if (state.suspect) {
    const auto end = consumer_->ask_end(partition.where);
    if (end && in_flight_.judge_suspects(partition.reading, *end))
      return stop_partition(partition, *state.suspect, *end);
  }
  if (state.must_reread) return read_again(partition, state);
  // A partition that stands still must not take all the room.
  const bool stands = partitions_.size() > 1 && state.messages > options_.messages_max / 2 &&
                      steady_clock::now() - state.progress_at > full_max;
  if (stands || partition.parked.size() > parked_max) set_paused(partition, true);
  if (partition.paused && partition.parked.empty() && !stands && in_flight_.has_room()) set_paused(partition, false);
}

void Source::set_paused(Partition& partition, bool paused) {
  if (partition.paused == paused) return;
  partition.paused = paused;
  if (paused)
    consumer_->pause(partition.where);
  else
    consumer_->resume(partition.where);
}

/// Invariant 9: what is read here is not what the files remember, so it is not counted, nor taken for counted.
void Source::stop_partition(Partition& partition, std::int64_t remembered, std::int64_t end) {
  partition.stopped = true;
  in_flight_.end_epoch(partition.reading);
  partition.parked.clear();
  set_paused(partition, true);
  auto why = fmt::format(
      "partition {} of {} ends at offset {}, but a file remembers offset {} of it: the topic was made anew or cut off. "
      "Give its log another name with KAFKA_LOG_ID (docs/kafka.md)",
      partition.where.partition, partition.where.topic, end, remembered);
  telemetry::kafka_failed("position", why);
  const std::lock_guard lock{mutex_};
  view_.stopped = std::move(why);
}

/// A message came back although its epoch had not ended (its lane threw): all behind it goes too, and is read again.
void Source::read_again(Partition& partition, const ReadingState& state) {
  in_flight_.end_epoch(partition.reading);
  partition.parked.clear();
  const auto from = state.committable ? state.committable : partition.first;
  if (from && !consumer_->seek({.where = partition.where, .offset = *from})) return;  // again at the next look
  in_flight_.forget(partition.reading);
  partition.reading = in_flight_.begin(partition.where);
  partition.epoch = in_flight_.epoch(partition.reading);
  partition.first = from;
}

std::vector<Offset> Source::committable() const {
  std::vector<Offset> out;
  for (const auto& [number, partition] : partitions_) {
    const auto state = in_flight_.state(partition.reading);
    if (state && state->committable && state->committable != partition.committed)
      out.push_back({.where = partition.where, .offset = *state->committable});
  }
  return out;
}

void Source::commit() {
  if (const auto offsets = committable(); !offsets.empty()) consumer_->commit_later(offsets);
}

/// The lanes bring what was handed over to its end; then nothing is left to read again.
void Source::finish() {
  say("stopping");
  steady_clock::time_point until;
  {
    const std::lock_guard lock{mutex_};
    until = stop_by_;
  }
  const auto left = [&] {
    return std::max(milliseconds{0}, std::chrono::duration_cast<milliseconds>(until - steady_clock::now()));
  };
  if (consumer_) {
    std::vector<ReadingId> ids;
    for (auto& [number, partition] : partitions_) {
      partition.parked.clear();  // a suffix: nothing is handed over behind it
      if (!partition.stopped) ids.push_back(partition.reading);
    }
    drained_ = in_flight_.wait_until_settled(ids, left());
    end_readings(true);
    consumer_->close(std::max(left(), milliseconds{500}));
    consumer_.reset();
  }
  say("stopped");
}

std::optional<std::string> Source::trouble() const {
  const auto states = in_flight_.states();
  const std::lock_guard lock{mutex_};
  if (!view_.stopped.empty()) return "Kafka: " + view_.stopped;
  if (view_.away) return std::nullopt;  // without a broker this instance can still serve the others
  const auto now = steady_clock::now();
  for (const auto& state : states) {
    const bool lags = state.bytes > 0 || (state.end && state.committable && *state.committable < *state.end);
    if (lags && now - std::max(state.progress_at, view_.back_at) > stall_max)
      return fmt::format("Kafka: partition {} of {} has made no progress for {} s", state.where.partition,
                         state.where.topic, stall_max.count());
  }
  return std::nullopt;
}

std::string Source::describe() const {
  const auto states = in_flight_.states();
  std::string out = R"({"state":)";
  {
    const std::lock_guard lock{mutex_};
    json::append_string(out, view_.away ? "no broker answers" : view_.state);
  }
  out += R"(,"group":)";
  json::append_string(out, options_.group);
  out += R"(,"topic":)";
  json::append_string(out, options_.topic);
  out += fmt::format(R"(,"deadLettersWaiting":{},"partitions":[)", dead_letters_.waiting());
  std::string_view separator;
  for (const auto& state : states) {
    out += fmt::format(R"({}{{"partition":{},"inFlight":{})", separator, state.where.partition, state.messages);
    separator = ",";
    if (state.committable) out += fmt::format(R"(,"offset":{})", *state.committable);
    if (state.end) out += fmt::format(R"(,"end":{})", *state.end);
    if (state.end && state.committable)
      out += fmt::format(R"(,"lag":{})", std::max<std::int64_t>(0, *state.end - *state.committable));
    out += '}';
  }
  return out + "]}";
}

}  // namespace

Result<std::unique_ptr<KafkaSource>> KafkaSource::start(const KafkaOptions& options, const KafkaParts& parts) {
  if (auto conf = consumer_conf(options); !conf) return std::unexpected{std::move(conf).error()};
  if (auto conf = producer_conf(options); !conf) return std::unexpected{std::move(conf).error()};
  std::unique_ptr<KafkaSource> out = std::make_unique<Source>(options, parts);
  return out;
}

}  // namespace pebbles::kafka
