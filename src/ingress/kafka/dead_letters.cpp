#include "ingress/kafka/dead_letters.hpp"

#include <pthread.h>

#include <algorithm>
#include <chrono>

#include "admission/message_about.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::kafka {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds pause_min{100};
constexpr milliseconds pause_max{10'000};

}  // namespace

struct DeadLetters::Writing {
  DeadLetter letter;
  steady_clock::time_point due;
  milliseconds pause = pause_min;
  bool without_value = false;  ///< with the headers added it is too large for its topic
};

struct DeadLetters::Producer {
  rd_kafka_t* handle = nullptr;
  std::size_t under_way = 0;
  Producer() = default;
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;
  ~Producer() {
    if (handle == nullptr) return;
    // Gives back, through the reports, all that is under way.
    rd_kafka_purge(handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(handle, 1000);
    rd_kafka_destroy(handle);
  }
};

DeadLetters::DeadLetters(KafkaOptions options, const Clock& clock)
    : options_{std::move(options)}, clock_{clock}, thread_{[this](const std::stop_token& token) { run(token); }} {}

DeadLetters::~DeadLetters() {
  thread_.request_stop();
  came_.notify_all();
  thread_.join();
}

/// Says what became of it, and makes it a step of its trace.
void DeadLetters::tell(DeadLetter& letter) {
  std::vector<admission::MessageHeader> headers;
  headers.reserve(letter.headers.size());
  for (const auto& [name, value] : letter.headers) headers.push_back({.name = name, .value = value});
  const auto about = admission::about_message(letter.value ? std::string_view{*letter.value} : "", headers);
  put_trace(letter.headers, next_step(about.trace));
  telemetry::message_dead_lettered({.source = "kafka",
                                    .id = position_name(letter.why.position),
                                    .client = about.client,
                                    .file = about.file,
                                    .trace_id = about.trace.trace_id,
                                    .reason = letter.why.reason,
                                    .detail = letter.why.detail});
}

void DeadLetters::write(DeadLetter letter) {
  tell(letter);
  auto writing = std::make_unique<Writing>();
  writing->letter = std::move(letter);
  writing->letter.why.time = clock_.now();
  writing->due = steady_clock::now();
  {
    const std::lock_guard lock{mutex_};
    queue_.push_back(std::move(writing));
    ++waiting_;
  }
  came_.notify_one();
}

std::size_t DeadLetters::waiting() const {
  const std::lock_guard lock{mutex_};
  return waiting_;
}

bool DeadLetters::open() {
  if (producer_) return true;
  auto conf = producer_conf(options_);
  if (!conf) {
    telemetry::kafka_failed("dead letters", conf.error().detail);
    return false;
  }
  rd_kafka_conf_set_opaque(conf->get(), this);
  rd_kafka_conf_set_dr_msg_cb(conf->get(), [](rd_kafka_t*, const rd_kafka_message_t* report, void* self) {
    static_cast<DeadLetters*>(self)->delivered(*report);
  });
  auto client = make_client(RD_KAFKA_PRODUCER, *std::move(conf));
  if (!client) {
    telemetry::kafka_failed("dead letters", client.error().detail);
    return false;
  }
  producer_ = std::make_unique<Producer>();
  producer_->handle = client->release();  // whose end is more than that of every client
  return true;
}

void DeadLetters::run(const std::stop_token& stopping) {
  pthread_setname_np(pthread_self(), "kafka-dlq");
  while (!stopping.stop_requested()) {
    std::vector<std::unique_ptr<Writing>> due;
    {
      std::unique_lock lock{mutex_};
      const bool busy = producer_ && producer_->under_way > 0;
      if (!busy && queue_.empty()) came_.wait(lock, stopping, [&] { return !queue_.empty(); });
      if (!busy && !queue_.empty())
        came_.wait_until(lock, stopping, queue_.front()->due,
                         [&] { return !queue_.empty() && queue_.front()->due <= steady_clock::now(); });
      const auto now = steady_clock::now();
      for (auto next = queue_.begin(); next != queue_.end();) {
        if ((*next)->due > now) {
          ++next;
          continue;
        }
        due.push_back(std::move(*next));
        next = queue_.erase(next);
      }
    }
    if (!due.empty() && !open()) {
      for (auto& writing : due) try_later(std::move(writing), "no producer");
      continue;
    }
    for (auto& writing : due) send(std::move(writing));
    if (!producer_) continue;
    rd_kafka_poll(producer_->handle, producer_->under_way > 0 ? 5 : 0);
    std::array<char, 512> text{};
    if (rd_kafka_fatal_error(producer_->handle, text.data(), text.size()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      telemetry::kafka_failed("dead letters", text.data());
      producer_.reset();  // a new one begins where this one cannot go on
    }
  }
  producer_.reset();
}

void DeadLetters::send(std::unique_ptr<Writing> writing) {
  const auto& letter = writing->letter;
  auto why = letter.why;
  why.value_omitted = writing->without_value;
  auto all = letter.headers;
  append_headers(all, why);
  auto headers = make_headers(all);
  const auto data = [](const std::optional<std::string>& text) {
    return text ? const_cast<char*>(text->data()) : nullptr;  // copied, RD_KAFKA_MSG_F_COPY
  };
  const auto size = [](const std::optional<std::string>& text) { return text ? text->size() : 0; };
  const std::optional<std::string> nothing;
  const auto& value = writing->without_value ? nothing : letter.value;
  const auto error = rd_kafka_producev(
      producer_->handle, RD_KAFKA_V_TOPIC(options_.dead_letter_topic.c_str()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
      RD_KAFKA_V_KEY(data(letter.key), size(letter.key)), RD_KAFKA_V_VALUE(data(value), size(value)),
      RD_KAFKA_V_HEADERS(headers.get()), RD_KAFKA_V_OPAQUE(writing.get()), RD_KAFKA_V_END);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) writing->without_value = true;
    return try_later(std::move(writing), rd_kafka_err2str(error));
  }
  [[maybe_unused]] const auto* const taken =
      headers.release();  // the message's now, and `writing` comes back with the report
  [[maybe_unused]] const auto* const lent = writing.release();
  ++producer_->under_way;
}

void DeadLetters::delivered(const rd_kafka_message_t& report) {
  std::unique_ptr<Writing> writing{static_cast<Writing*>(report._private)};
  if (producer_) --producer_->under_way;
  if (report.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (report.err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) writing->without_value = true;
    return try_later(std::move(writing), rd_kafka_err2str(report.err));
  }
  bool again = false;
  {
    const std::lock_guard lock{mutex_};
    --waiting_;
    again = std::exchange(complained_, false);
  }
  if (again) telemetry::dead_letters_written_again();
  writing->letter.durable();
}

void DeadLetters::try_later(std::unique_ptr<Writing> writing, std::string_view what) {
  writing->due = steady_clock::now() + writing->pause;
  writing->pause = std::min(writing->pause * 2, pause_max);
  bool first = false;
  {
    const std::lock_guard lock{mutex_};
    first = !std::exchange(complained_, true);
    const auto later = [&](const auto& other) { return other->due > writing->due; };
    const auto place = std::ranges::find_if(queue_, later);
    queue_.insert(place, std::move(writing));
  }
  if (first) telemetry::dead_letters_not_written(options_.dead_letter_topic, what);
}

}  // namespace pebbles::kafka
