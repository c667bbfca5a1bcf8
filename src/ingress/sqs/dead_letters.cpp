#include "ingress/sqs/dead_letters.hpp"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <ranges>

namespace pebbles::sqs {
namespace {

constexpr std::size_t batch_bytes_max = 200UL << 10U;  ///< of a request SQS has long allowed 256 KiB

std::size_t bytes_of(const OutgoingMessage& message) {
  auto out = message.body.size();
  for (const auto& attribute : message.attributes)
    out += attribute.name.size() + attribute.data_type.size() + attribute.value.size();
  return out;
}

/// The queue will not take the message as it is; what is less of it may pass.
bool is_about_message(const aws::Fault& fault) {
  constexpr std::array<std::string_view, 6> codes{"BatchRequestTooLong",    "InvalidParameterValue",
                                                  "MessageTooLong",         "MissingParameter",
                                                  "InvalidMessageContents", "ValidationException"};
  return fault.kind == aws::FaultKind::refused &&
         std::ranges::any_of(codes, [&](std::string_view code) { return fault.code.contains(code); });
}

}  // namespace

DeadLetters::DeadLetters(Queue queue, QueueState& state)
    : queue_{std::move(queue)}, state_{state}, thread_{[this](const std::stop_token& token) { run(token); }} {}

DeadLetters::~DeadLetters() { stop(); }

void DeadLetters::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void DeadLetters::write(DeadLetter letter, std::move_only_function<void()> durable) {
  auto writing = std::make_unique<Writing>();
  writing->message = message_of(letter, queue_.is_fifo());
  writing->letter = std::move(letter);
  writing->durable = std::move(durable);
  {
    const std::lock_guard lock{mutex_};
    queue_of_letters_.push_back(std::move(writing));
    ++waiting_;
  }
  came_.notify_one();
}

std::size_t DeadLetters::waiting() const {
  const std::lock_guard lock{mutex_};
  return waiting_;
}

DeadLetters::Batch DeadLetters::take(const std::stop_token& stopping) {
  Batch out;
  std::unique_lock lock{mutex_};
  came_.wait(lock, stopping, [&] { return !queue_of_letters_.empty(); });
  std::size_t bytes = 0;
  while (!queue_of_letters_.empty() && out.size() < (one_by_one_ ? 1 : batch_max)) {
    bytes += bytes_of(queue_of_letters_.front()->message);
    if (!out.empty() && bytes > batch_bytes_max) break;
    out.push_back(std::move(queue_of_letters_.front()));
    queue_of_letters_.pop_front();
  }
  return out;
}

void DeadLetters::run(const std::stop_token& stopping) {
  pthread_setname_np(pthread_self(), "sqs-dlq");
  SqsClient client{queue_};
  aws::Backoff backoff{{}};
  while (!stopping.stop_requested()) {
    auto batch = take(stopping);
    if (batch.empty()) continue;
    const bool good = send(client, batch, stopping);
    try_again(std::move(batch));
    if (good) {
      backoff.reset();
      continue;
    }
    std::unique_lock lock{mutex_};
    came_.wait_for(lock, stopping, backoff.next(), [] { return false; });
  }
}

/// Leaves in the batch what is to be tried again. False: not at once.
bool DeadLetters::send(SqsClient& client, Batch& batch, const std::stop_token& stopping) {
  std::vector<OutgoingMessage> messages;
  messages.reserve(batch.size());
  for (const auto& writing : batch) messages.push_back(writing->message);
  const auto results = client.send(messages, stopping);
  if (!results) {
    one_by_one_ = is_about_message(results.error());
    if (one_by_one_ && (batch.size() > 1 || shrink(*batch.front()))) return true;
    state_.failed(Call::send, results.error());
    return false;
  }
  state_.answered(Call::send);
  one_by_one_ = false;
  Batch again;
  bool good = true;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto& result = (*results)[i];
    if (result.done) {
      batch[i]->durable();
      const std::lock_guard lock{mutex_};
      --waiting_;
      continue;
    }
    if (!result.of_sender || !shrink(*batch[i])) good = false;
    again.push_back(std::move(batch[i]));
  }
  batch = std::move(again);
  return good;
}

/// False when there is nothing left to leave out: then the reason is another one, and the whole is tried again.
bool DeadLetters::shrink(Writing& writing) const {
  const bool is_least = writing.keep == Keep::reason;
  writing.keep = is_least ? Keep::all : writing.keep == Keep::all ? Keep::body : Keep::reason;
  writing.message = message_of(writing.letter, queue_.is_fifo(), writing.keep);
  return !is_least;
}

void DeadLetters::try_again(Batch batch) {
  const std::lock_guard lock{mutex_};
  for (auto& writing : batch | std::views::reverse) queue_of_letters_.push_front(std::move(writing));
}

}  // namespace pebbles::sqs
