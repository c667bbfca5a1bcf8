#include "ingress/kafka/kafka_source.hpp"

#include <fmt/core.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <thread>

#include "base/crash_point.hpp"
#include "ingress/kafka/assignment.hpp"
#include "ingress/kafka/consumer.hpp"
#include "ingress/kafka/dead_letters.hpp"
#include "ingress/kafka/in_flight.hpp"
#include "ingress/kafka/message_reader.hpp"
#include "json/writer.hpp"
#include "telemetry/ingest_metrics.hpp"
#include "telemetry/kafka_metrics.hpp"
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
constexpr milliseconds open_pause_min{200};  ///< between attempts to open
constexpr milliseconds open_pause_max{10'000};
constexpr milliseconds ask_patience{2000};
constexpr milliseconds answer_patience{200};
constexpr std::size_t queued_min = 30'000;  ///< half of queued.min.messages
constexpr std::int64_t backlog_min = 1000;  ///< not fetched yet, for which a nudge is worth its wait
constexpr milliseconds nudge_every{20};
constexpr milliseconds nudge_patience{50};
constexpr seconds stall_max{60};
constexpr milliseconds look_for_expired_every{1000};
constexpr seconds reset_shows_within{600};  ///< behind what librdkafka had fetched before

/// What others may see while the thread works.
struct View {
  std::string state = "connecting";
  std::string stopped;  ///< why a partition was stopped
  bool away = false;    ///< no broker answers
  steady_clock::time_point back_at = steady_clock::now();
};

class Source final : public KafkaSource {
 public:
  Source(const KafkaOptions& options, const KafkaParts& parts)
      : options_{options},
        parts_{parts},
        log_id_{options.log_id},
        in_flight_{[this](DeadLetter letter) { dead_letters_.write(std::move(letter)); },
                   {.messages_max = options.messages_max, .bytes_max = options.bytes_max}},
        dead_letters_{options, parts.clock},
        reader_{parts.client_rule, parts.clock},
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
  void nudge();
  void gather(std::vector<InFlight::Arrival>& arrivals, std::vector<Offset>& ends);
  void note_answer();
  [[nodiscard]] bool is_away() const;
  [[nodiscard]] bool was_reset_lately();
  [[nodiscard]] bool look_for_expired();
  [[nodiscard]] bool count_expired(Partition& partition);
  void judge_error(const rd_kafka_message_t& message, std::vector<Offset>& ends);
  [[nodiscard]] std::optional<Pending> read(const InFlight::Arrival& arrival, const rd_kafka_message_t& message);
  [[nodiscard]] std::string position_of(const rd_kafka_message_t& message) const;

  // Looking after.
  void look();
  void look_at(Partition& partition, const ReadingState& state);
  [[nodiscard]] bool judge_suspects(Partition& partition, std::int64_t remembered);
  void stop_partition(Partition& partition, std::int64_t remembered, std::int64_t end);
  void read_again(Partition& partition, const ReadingState& state);
  void set_paused(Partition& partition, bool paused);
  void commit();
  void say(std::string state);
  bool is_news(std::string state);
  void pause_for(milliseconds pause);

  const KafkaOptions options_;
  const KafkaParts parts_;
  std::string log_id_;
  InFlight in_flight_;
  DeadLetters dead_letters_;
  MessageReader reader_;

  std::unique_ptr<Consumer> consumer_;
  Assignment assignment_;
  milliseconds open_pause_ = open_pause_min;
  steady_clock::time_point looked_at_;
  steady_clock::time_point committed_at_;
  steady_clock::time_point nudged_at_;
  std::optional<steady_clock::time_point> full_since_;
  std::optional<steady_clock::time_point> reset_at_;  ///< when librdkafka last went on elsewhere than it was to
  steady_clock::time_point expired_at_;               ///< when what is missing was last looked into

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

bool Source::is_away() const {
  const std::lock_guard lock{mutex_};
  return view_.away;
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
      open_pause_ = std::min(open_pause_ * 2, open_pause_max);
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
  auto opened = Consumer::open(
      options_, {.assigned = [this](const auto& partitions) { assigned(partitions); },
                 .revoked = [this](bool lost) { revoked(lost); },
                 .committed = [this](std::span<const Offset> offsets) { assignment_.note_committed(offsets); },
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
        note_answer();
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
  open_pause_ = open_pause_min;
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
    assignment_.add(where, reading, in_flight_.epoch(reading));
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
  if (!assignment_.all().empty()) telemetry::kafka_revoked(options_.topic, assignment_.all().size(), lost);
  end_readings(!lost);
  say("joining");
}

/// Ends the epochs, gives what is under way a moment to settle, commits what is done, and forgets the rest.
void Source::end_readings(bool commits) {
  std::vector<ReadingId> ids;
  for (auto& [number, partition] : assignment_.all()) {
    in_flight_.end_epoch(partition.reading);
    partition.parked.clear();
    if (commits) set_paused(partition, false);  // librdkafka would remember it over the next assignment
    ids.push_back(partition.reading);
  }
  if (commits && !ids.empty()) {
    in_flight_.wait_until_settled(ids, revoke_patience);
    if (const auto offsets = assignment_.committable(in_flight_); !offsets.empty())
      if (const auto done = consumer_->commit_now(offsets, revoke_patience); !done)
        telemetry::kafka_failed("commit", done.error().detail);
  }
  for (const auto& [number, partition] : assignment_.all()) {
    in_flight_.forget(partition.reading);
    telemetry::kafka_not_ours(partition.where.topic, partition.where.partition);
  }
  assignment_.clear();
}

void Source::take_in() {
  assignment_.hand_over_parked(parts_.ingest);
  if (!make_room()) return;
  std::vector<InFlight::Arrival> arrivals;
  std::vector<Offset> ends;
  gather(arrivals, ends);
  std::vector<const rd_kafka_message_t*> messages;
  messages.reserve(arrivals.size());
  for (const auto& arrival : arrivals) messages.push_back(arrival.message.get());
  in_flight_.add(arrivals);
  if (arrivals.size() == gather_max) nudge();
  std::vector<Pending> pendings;
  pendings.reserve(arrivals.size());
  for (std::size_t i = 0; i < arrivals.size(); ++i)
    if (auto pending = read(arrivals[i], *messages[i])) pendings.push_back(*std::move(pending));
  if (!arrivals.empty()) PEBBLES_CRASH_POINT("after-parse");
  assignment_.hand_over(parts_.ingest, std::move(pendings));
  for (const auto& [where, offset] : ends)
    if (const auto* const partition = assignment_.find(where.partition))
      in_flight_.reached_end(partition->reading, offset);
}

/// When librdkafka's queue has been full, its broker threads notice only up to a second later that it is not any more
/// (2.0): unless they have something else to do. So, in a backlog, they are asked where a partition ends. Only then: at
/// the end of a partition the answer would come behind a fetch that waits for messages.
void Source::nudge() {
  const auto now = steady_clock::now();
  if (now - nudged_at_ < nudge_every || consumer_->queued() > queued_min) return;
  nudged_at_ = now;
  if (assignment_.unread() - static_cast<std::int64_t>(consumer_->queued()) < backlog_min) return;
  auto* const longest = assignment_.longest_backlog();
  if (const auto end = consumer_->ask_end(longest->where, nudge_patience)) longest->end = *end;
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
  for (auto& [number, partition] : assignment_.all()) set_paused(partition, true);
  return true;
}

void Source::gather(std::vector<InFlight::Arrival>& arrivals, std::vector<Offset>& ends) {
  auto message = consumer_->poll(assignment_.parks() ? milliseconds{5} : poll_for);
  while (message) {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      judge_error(*message, ends);
    } else if (auto* const partition = assignment_.find(message->partition);
               partition != nullptr && !partition->stopped) {
      if (!partition->first) partition->first = message->offset;
      // librdkafka says that it goes on elsewhere before it brings a message from there.
      const bool keeps_gap = partition->expected != message->offset && was_reset_lately();
      Assignment::arrive(*partition, message->offset, message->offset + 1, keeps_gap);
      partition->next = message->offset + 1;
      arrivals.push_back({.reading = partition->reading, .message = std::move(message)});
    }
    if (arrivals.size() >= gather_max) break;
    message = consumer_->poll(milliseconds{0});
  }
  if (!arrivals.empty() || !ends.empty()) note_answer();
}

/// Some broker has answered.
void Source::note_answer() {
  const std::lock_guard lock{mutex_};
  if (!std::exchange(view_.away, false)) return;
  view_.back_at = steady_clock::now();
  telemetry::kafka_answers_again();
}

void Source::judge_error(const rd_kafka_message_t& message, std::vector<Offset>& ends) {
  switch (message.err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
      ends.push_back({.where = {.topic = options_.topic, .partition = message.partition}, .offset = message.offset});
      if (auto* const partition = assignment_.find(message.partition); partition != nullptr && !partition->stopped)
        Assignment::arrive(*partition, message.offset, message.offset, was_reset_lately());
      return;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      if (is_news("waiting for the topic")) telemetry::kafka_topic_missing(options_.topic);
      return;
    default: telemetry::kafka_failed("consumer", rd_kafka_message_errstr(&message)); return;
  }
}

std::string Source::position_of(const rd_kafka_message_t& message) const {
  return position_name(
      {.log = log_id_, .topic = options_.topic, .partition = message.partition, .offset = message.offset});
}

/// The update that a message is; nullopt when it is none, which is settled here.
std::optional<Pending> Source::read(const InFlight::Arrival& arrival, const rd_kafka_message_t& message) {
  if (arrival.ticket == 0) return std::nullopt;
  if (telemetry::is_logged(telemetry::Level::debug)) {
    const auto about = about_message(message);
    telemetry::message_read({.source = "kafka",
                             .id = position_of(message),
                             .client = about.client,
                             .file = about.file,
                             .trace_id = about.trace.trace_id});
  }
  auto read = reader_.read(message, log_id_, options_.topic);
  if (auto* const update = std::get_if<MessageReader::Update>(&read))
    return Pending{.stream = std::move(update->stream),
                   .command = std::move(update->report),
                   .ack = {in_flight_, arrival.ticket},
                   .epoch = assignment_.find(message.partition)->epoch,
                   .wants_state = false};
  const auto& unusable = std::get<admission::Unusable>(read);
  telemetry::update_failed(unusable.client, telemetry::UpdateFailure::invalid);
  in_flight_.refuse(arrival.ticket, admission::name_of(unusable.reason), unusable.detail);
  return std::nullopt;
}

void Source::look() {
  const auto now = steady_clock::now();
  if (now - looked_at_ < look_every) return;
  looked_at_ = now;
  for (auto& [number, partition] : assignment_.all()) {
    if (const auto end = consumer_->known_end(partition.where)) {
      partition.end = *end;
      in_flight_.heard_of_end(partition.reading, *end);
    }
    if (const auto state = in_flight_.state(partition.reading)) look_at(partition, *state);
  }
  if (!look_for_expired() || now - committed_at_ < commit_every) return;
  committed_at_ = now;
  commit();
  // A partition that is read to its end brings nothing by which to notice that its broker is back.
  if (is_away() && consumer_->is_answered(answer_patience)) note_answer();
}

bool Source::was_reset_lately() {
  const auto now = steady_clock::now();
  if (consumer_->was_reset()) reset_at_ = now;
  if (reset_at_ && now - *reset_at_ > reset_shows_within) reset_at_.reset();
  return reset_at_.has_value();
}

/// True when there is nothing left to look into: before that no commit may say that what is missing was read.
bool Source::look_for_expired() {
  const auto has_gaps = [](const auto& each) { return !each.second.gaps.empty(); };
  if (std::ranges::none_of(assignment_.all(), has_gaps)) return true;
  const auto now = steady_clock::now();
  if (now - expired_at_ < look_for_expired_every) return false;
  expired_at_ = now;
  for (auto& [number, partition] : assignment_.all())
    if (!partition.gaps.empty() && count_expired(partition)) partition.gaps.clear();
  return std::ranges::none_of(assignment_.all(), has_gaps);
}

/// What a partition has no more below its beginning, retention has removed; what is missing above it never was a
/// message. False when the broker does not say: again later.
bool Source::count_expired(Partition& partition) {
  const auto begin = consumer_->ask_begin(partition.where, ask_patience);
  if (!begin) return false;
  for (auto& gap : partition.gaps) {
    if (!gap.from) {
      const auto committed = consumer_->ask_committed(partition.where, ask_patience);
      if (!committed) return false;
      if (!*committed) continue;  // a group that begins has missed nothing
      gap.from = *committed;
    }
    if (const auto to = std::min(gap.to, *begin); to > *gap.from)
      telemetry::kafka_messages_expired(partition.where.topic, partition.where.partition, *gap.from, to);
    gap.from = gap.to;  // told, should a later one of these fail
  }
  return true;
}

void Source::look_at(Partition& partition, const ReadingState& state) {
  if (state.end && state.committable)
    telemetry::kafka_lag(partition.where.topic, partition.where.partition,
                         std::max<std::int64_t>(0, *state.end - *state.committable));
  if (partition.stopped) return;
  if (state.suspect && judge_suspects(partition, *state.suspect)) return;
  if (state.must_reread) return read_again(partition, state);
  // A partition that stands still must not take all the room.
  const bool stands = assignment_.all().size() > 1 && state.messages > options_.messages_max / 2 &&
                      steady_clock::now() - state.progress_at > full_max;
  if (stands || partition.parked.size() > parked_max) set_paused(partition, true);
  if (partition.paused && partition.parked.empty() && !stands && in_flight_.has_room()) set_paused(partition, false);
}

/// True when the partition was stopped.
bool Source::judge_suspects(Partition& partition, std::int64_t remembered) {
  const auto end = consumer_->ask_end(partition.where, ask_patience);
  if (!end || !in_flight_.judge_suspects(partition.reading, *end)) return false;
  stop_partition(partition, remembered, *end);
  return true;
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
  partition.expected = from;
  partition.gaps.clear();
}

void Source::commit() {
  if (const auto offsets = assignment_.committable(in_flight_); !offsets.empty()) consumer_->commit_later(offsets);
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
    for (auto& [number, partition] : assignment_.all())
      partition.parked.clear();  // a suffix: nothing is handed over behind it
    do {
      std::vector<ReadingId> ids;
      for (auto& [number, partition] : assignment_.all()) {
        // Right behind an assignment the end may not be known yet that tells a duplicate from another log.
        const auto state = in_flight_.state(partition.reading);
        if (!partition.stopped && state && state->suspect) (void)judge_suspects(partition, *state->suspect);
        if (!partition.stopped) ids.push_back(partition.reading);
      }
      drained_ = in_flight_.wait_until_settled(ids, std::min(left(), look_every));
    } while (!drained_ && left().count() > 0);
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
  telemetry::kafka_begins();
  std::unique_ptr<KafkaSource> out = std::make_unique<Source>(options, parts);
  return out;
}

}  // namespace pebbles::kafka
