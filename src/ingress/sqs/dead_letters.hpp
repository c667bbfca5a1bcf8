#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "aws/backoff.hpp"
#include "ingress/sqs/dead_letter.hpp"
#include "ingress/sqs/queue_state.hpp"
#include "ingress/sqs/sqs_client.hpp"

namespace pebbles::sqs {

/// Sends dead letters to their queue, each until the queue has it: at least once, however long that takes. Threads: any
/// may call `write`; a thread of its own asks the service. What was not sent when it ends is forgotten, and comes again
/// with its original.
class DeadLetters {
 public:
  DeadLetters(Queue queue, QueueState& state);
  ~DeadLetters();
  DeadLetters(const DeadLetters&) = delete;
  DeadLetters& operator=(const DeadLetters&) = delete;

  /// `durable` is called once the queue has it, from its thread. Never blocks.
  void write(DeadLetter letter, std::move_only_function<void()> durable);
  /// Not yet sent.
  [[nodiscard]] std::size_t waiting() const;
  /// Ends its thread.
  void stop();

 private:
  struct Writing {
    DeadLetter letter;
    std::move_only_function<void()> durable;
    OutgoingMessage message;
    Keep keep = Keep::all;
  };
  using Batch = std::vector<std::unique_ptr<Writing>>;

  void run(const std::stop_token& stopping);
  [[nodiscard]] Batch take(const std::stop_token& stopping);
  [[nodiscard]] bool send(SqsClient& client, Batch& batch, const std::stop_token& stopping);
  [[nodiscard]] bool shrink(Writing& writing) const;
  void try_again(Batch batch);

  const Queue queue_;
  QueueState& state_;
  mutable std::mutex mutex_;
  std::condition_variable_any came_;
  std::deque<std::unique_ptr<Writing>> queue_of_letters_;
  std::size_t waiting_ = 0;
  bool one_by_one_ = false;  ///< of its thread alone: a batch was too large, or one of it spoils it
  std::jthread thread_;      ///< last: it uses the rest
};

}  // namespace pebbles::sqs
