#include "ingress/sqs/sqs_source.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <span>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "base/crash_point.hpp"
#include "base/redact.hpp"
#include "ingress/sqs/deleter.hpp"
#include "ingress/sqs/handover.hpp"
#include "ingress/sqs/message_reader.hpp"
#include "ingress/sqs/poison_desk.hpp"
#include "ingress/sqs/pollers.hpp"
#include "json/writer.hpp"
#include "telemetry/ingest_metrics.hpp"
#include "telemetry/sqs_metrics.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::sqs {

using ingest::Pending;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds look_every{50};
constexpr milliseconds stuck_pause{5};
constexpr seconds stall_max{60};
constexpr seconds visibility_min{2};       ///< of a queue; in less a message can hardly be counted and deleted
constexpr seconds answer_patience{2};      ///< behind the end of a poll
constexpr milliseconds release_max{1000};  ///< for giving back what could not be counted

Queue queue_at(const std::string& url, const SqsOptions& options, const SqsParts& parts) {
  return {.url = url, .endpoint = options.endpoint, .region = options.region, .credentials = parts.credentials};
}

std::deque<MessageReader> readers_for(std::size_t pollers, const SqsParts& parts) {
  std::deque<MessageReader> readers;
  while (readers.size() < pollers) readers.emplace_back(parts.client_rule, parts.clock);
  return readers;
}

class Source final : public SqsSource {
 public:
  Source(const SqsOptions& options, const SqsParts& parts);
  ~Source() override { (void)stop(milliseconds{0}); }

  void stop_receiving() override { pollers_.finish(); }
  bool stop(milliseconds deadline) override;
  [[nodiscard]] std::optional<std::string> trouble() const override;
  [[nodiscard]] std::string describe() const override;

 private:
  [[nodiscard]] InFlight::Hooks hooks();
  [[nodiscard]] PoisonParts poison_parts();
  [[nodiscard]] PollerParts poller_parts();
  void heard(const QueueFacts& facts);
  void release(milliseconds patience);
  [[nodiscard]] bool may_receive(const std::stop_token& stopping);
  void take(std::size_t poller, std::vector<ReceivedMessage> messages, InFlight::SteadyTime at);
  [[nodiscard]] Arrival arrival_of(MessageReader::Read read, Ticket ticket, std::string group);

  const SqsOptions options_;
  const SqsParts parts_;
  const Queue queue_;
  const std::shared_ptr<ingest::Epoch> epoch_ = std::make_shared<ingest::Epoch>();
  QueueState state_;
  bool keeps_poison_ = false;  ///< this and the next of the thread that asks for the queue's attributes
  bool is_short_ = false;
  InFlight in_flight_;
  Handover handover_;
  Deleter deleter_;
  VisibilityKeeper visibility_;
  QueueWatch watch_;
  const std::unique_ptr<DeadLetters> dead_letters_;  ///< null without SQS_DLQ_URL
  PoisonDesk poison_;
  std::deque<MessageReader> readers_;  ///< one for each poller; each with file ids of its own
  bool stopped_ = false;
  bool drained_ = true;
  Pollers pollers_;  ///< last: they use the rest
};

Source::Source(const SqsOptions& options, const SqsParts& parts)
    : options_{options},
      parts_{parts},
      queue_{queue_at(options.queue_url, options, parts)},
      in_flight_{{.messages_max = options.messages_max, .bytes_max = options.bytes_max}, hooks()},
      handover_{parts.ingest,
                {.is_fifo = queue_.is_fifo(),
                 .refuse =
                     [this](Ticket ticket, const admission::Unusable& unusable) {
                       telemetry::update_failed(unusable.client, telemetry::UpdateFailure::invalid);
                       in_flight_.refuse(ticket, admission::name_of(unusable.reason), unusable.detail);
                     }}},
      deleter_{{.queue = queue_, .in_flight = in_flight_, .state = state_}, options.pollers_max},
      visibility_{{.queue = queue_, .in_flight = in_flight_, .state = state_}},
      watch_{queue_, state_, [this](const QueueFacts& facts) { heard(facts); }},
      dead_letters_{options.dead_letter_url.empty()
                        ? nullptr
                        : std::make_unique<DeadLetters>(queue_at(options.dead_letter_url, options, parts), state_)},
      poison_{poison_parts()},
      readers_{readers_for(options.pollers_max, parts)},
      pollers_{poller_parts()} {}

InFlight::Hooks Source::hooks() {
  return {.stored =
              [this](const std::vector<Ticket>& tickets) {
                deleter_.put(tickets);
                handover_.finished(tickets);
              },
          .poisoned = [this](Poisoned poisoned) { poison_.take(std::move(poisoned)); },
          .dropped = [this](const std::vector<Ticket>& tickets) { handover_.dropped(tickets); }};
}

PoisonParts Source::poison_parts() {
  return {.in_flight = in_flight_,
          .visibility = visibility_,
          .watch = watch_,
          .dead_letters = dead_letters_.get(),
          .clock = parts_.clock,
          .is_fifo = queue_.is_fifo(),
          .remove = [this](Ticket ticket) { deleter_.put({&ticket, 1}); },
          .finished = [this](Ticket ticket) { handover_.finished({&ticket, 1}); }};
}

PollerParts Source::poller_parts() {
  return {.queue = queue_,
          .pollers_max = options_.pollers_max,
          .wait = options_.wait,
          .state = state_,
          .may_receive = [this](const std::stop_token& stopping) { return may_receive(stopping); },
          .take = [this](std::size_t poller, std::vector<ReceivedMessage> messages,
                         InFlight::SteadyTime at) { take(poller, std::move(messages), at); }};
}

/// From the thread that asks, at start perhaps before the rest of this is there.
void Source::heard(const QueueFacts& facts) {
  in_flight_.set_visibility_timeout(facts.visibility_timeout);
  telemetry::sqs_depth({.visible = facts.visible, .in_flight = facts.in_flight, .delayed = facts.delayed});
  const bool keeps_poison = !facts.has_redrive_policy && options_.dead_letter_url.empty();
  if (keeps_poison && !std::exchange(keeps_poison_, keeps_poison)) telemetry::sqs_keeps_poison(options_.queue_url);
  const bool is_short = facts.visibility_timeout < visibility_min;
  if (is_short && !std::exchange(is_short_, is_short))
    telemetry::sqs_visibility_too_short(options_.queue_url, facts.visibility_timeout);
  is_short_ = is_short;
}

/// Not before the queue's attributes are known: what becomes of a message depends on them.
bool Source::may_receive(const std::stop_token& stopping) {
  if (!watch_.wait_for_facts(look_every, stopping)) return false;
  if (!handover_.is_stuck()) {
    if (in_flight_.has_room()) return true;
    if (handover_.gathered() >= in_flight_.size()) handover_.flush();  // nothing else could make room
    return in_flight_.wait_for_room(look_every, stopping);
  }
  std::this_thread::sleep_for(stuck_pause);
  return false;
}

void Source::take(std::size_t poller, std::vector<ReceivedMessage> messages, InFlight::SteadyTime at) {
  std::vector<MessageReader::Read> read;
  std::vector<std::string> groups;
  read.reserve(messages.size());
  groups.reserve(messages.size());
  for (const auto& message : messages) {
    if (telemetry::is_logged(telemetry::Level::debug)) {
      const auto about = about_message(message);
      telemetry::message_read({.source = "sqs",
                               .id = message.id,
                               .client = about.client,
                               .file = about.file,
                               .trace_id = about.trace.trace_id});
    }
    read.push_back(readers_[poller].read(message));
    groups.push_back(message.group);
  }
  const bool is_full = messages.size() == batch_max;
  const auto tickets = in_flight_.add(std::move(messages), at);
  PEBBLES_CRASH_POINT("after-parse");
  std::vector<Arrival> arrivals;
  arrivals.reserve(tickets.size());
  for (std::size_t i = 0; i < tickets.size(); ++i)
    if (tickets[i] != 0) arrivals.push_back(arrival_of(std::move(read[i]), tickets[i], std::move(groups[i])));
  handover_.take(std::move(arrivals), is_full);
}

Arrival Source::arrival_of(MessageReader::Read read, Ticket ticket, std::string group) {
  Arrival out{.ticket = ticket, .group = std::move(group), .what = admission::Unusable{}};
  if (auto* const update = std::get_if<MessageReader::Update>(&read))
    out.what = Pending{.stream = std::move(update->stream),
                       .command = std::move(update->report),
                       .ack = {in_flight_, ticket},
                       .epoch = epoch_,
                       .wants_state = false};
  else
    out.what = std::get<admission::Unusable>(std::move(read));
  return out;
}

bool Source::stop(milliseconds deadline) {
  if (std::exchange(stopped_, true)) return drained_;
  const auto until = steady_clock::now() + deadline;
  const auto left = [until] {
    return std::max(milliseconds{0}, std::chrono::duration_cast<milliseconds>(until - steady_clock::now()));
  };
  const auto releasing = std::min(release_max, deadline / 4);
  pollers_.stop(std::min(std::max(left() - releasing, milliseconds{0}), milliseconds{options_.wait + answer_patience}));
  drained_ = in_flight_.wait_until_empty(std::max(left() - releasing, milliseconds{0}));
  epoch_->end();  // the lanes drop what is left, which comes again
  if (!drained_) release(releasing);
  handover_.stop();
  deleter_.stop();
  visibility_.stop();
  watch_.stop();
  if (dead_letters_) dead_letters_->stop();
  return drained_;
}

/// What is held without an outcome is for others at once, not when the visibility timeout is over. One that is counted
/// in this moment is recognised when it comes again.
void Source::release(milliseconds patience) {
  const auto receipts = in_flight_.open_receipts();
  const auto until = steady_clock::now() + patience;
  std::stop_source stop;
  const std::jthread watch{[&](const std::stop_token& done) {
    std::mutex mutex;
    std::condition_variable_any over;
    std::unique_lock lock{mutex};
    over.wait_until(lock, done, until, [] { return false; });
    stop.request_stop();
  }};
  SqsClient client{queue_};
  for (std::span rest{receipts}; !rest.empty() && !stop.stop_requested();) {
    std::vector<VisibilityChange> changes;
    for (const auto& receipt : rest.first(std::min(rest.size(), batch_max))) changes.push_back({.receipt = receipt});
    if (!client.change_visibility(changes, stop.get_token())) return;  // then they come later
    rest = rest.subspan(changes.size());
  }
}

std::optional<std::string> Source::trouble() const {
  if (auto trouble = state_.trouble()) return trouble;
  const auto oldest = in_flight_.oldest_open();
  if (!oldest || steady_clock::now() - *oldest < stall_max) return std::nullopt;
  return fmt::format("SQS: a message has had no outcome for {} s", stall_max.count());
}

std::string Source::describe() const {
  std::string out = R"({"state":)";
  json::append_string(out, state_.describe());
  out += R"(,"queue":)";
  json::append_string(out, redacted(options_.queue_url));
  out += fmt::format(R"(,"pollers":{},"inFlight":{},"deadLettersWaiting":{})", pollers_.count(), in_flight_.size(),
                     dead_letters_ ? dead_letters_->waiting() : 0);
  if (const auto facts = watch_.facts())
    out += fmt::format(R"(,"depth":{{"visible":{},"inFlight":{},"delayed":{}}})", facts->visible, facts->in_flight,
                       facts->delayed);
  return out + "}";
}

}  // namespace

std::unique_ptr<SqsSource> SqsSource::start(const SqsOptions& options, const SqsParts& parts) {
  return std::make_unique<Source>(options, parts);
}

}  // namespace pebbles::sqs
