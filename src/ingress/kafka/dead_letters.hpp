#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "ingress/kafka/dead_letter_headers.hpp"
#include "ingress/kafka/options.hpp"

namespace pebbles::kafka {

/// A message that can never be counted, as it was read, and why.
struct DeadLetter {
  std::optional<std::string> key;
  std::optional<std::string> value;
  HeaderList headers;
  Refusal why;  ///< its time is filled in by `write`
  std::move_only_function<void()>
      durable;  ///< called once all replicas in sync have it; from a thread of `DeadLetters`
};

/// Writes dead letters to their topic, each until it is durable: at least once, however long that takes. Threads: any
/// may call `write`; a thread of its own talks to the broker. What is not durable when it is destroyed is forgotten,
/// and comes again with its original.
class DeadLetters {
 public:
  DeadLetters(KafkaOptions options, const Clock& clock);
  ~DeadLetters();
  DeadLetters(const DeadLetters&) = delete;
  DeadLetters& operator=(const DeadLetters&) = delete;

  /// Never blocks.
  void write(DeadLetter letter);
  /// Not yet durable.
  [[nodiscard]] std::size_t waiting() const;

 private:
  struct Writing;
  struct Producer;

  static void tell(DeadLetter& letter);
  void run(const std::stop_token& stopping);
  void send(std::unique_ptr<Writing> writing);
  void try_later(std::unique_ptr<Writing> writing, std::string_view what);
  void delivered(const rd_kafka_message_t& report);
  [[nodiscard]] bool open();

  const KafkaOptions options_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable_any came_;
  std::deque<std::unique_ptr<Writing>> queue_;  ///< by the time at which they are due
  std::size_t waiting_ = 0;
  bool complained_ = false;
  std::unique_ptr<Producer> producer_;  ///< of the thread alone
  std::jthread thread_;                 ///< last: it uses the rest
};

}  // namespace pebbles::kafka
