#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ingress/kafka/in_flight.hpp"
#include "ingress/kafka/options.hpp"

namespace pebbles::kafka {

struct Offset {
  TopicPartition where;
  std::int64_t offset = 0;
};

/// A member of the consumer group. Threads: one, from which the events come too, out of `poll` and `close`.
class Consumer {
 public:
  struct Events {
    std::function<void(const std::vector<TopicPartition>&)> assigned;
    /// What was assigned is no longer ours when this returns. `lost`: it is not ours already, commits would fail.
    std::function<void(bool lost)> revoked;
    std::function<void(std::span<const Offset>)> committed;  ///< of `commit_later`
    std::function<void(std::string_view)> away;              ///< no broker answers
  };

  /// Errors: invalid_argument for settings that librdkafka refuses.
  [[nodiscard]] static Result<std::unique_ptr<Consumer>> open(const KafkaOptions& options, Events events);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  /// Nullopt while no broker has told.
  [[nodiscard]] std::optional<std::string> cluster_id(std::chrono::milliseconds patience);
  /// Whether some broker answers now.
  [[nodiscard]] bool is_answered(std::chrono::milliseconds patience);
  /// Joins the group. A topic that is not there yet is waited for.
  Result<void> subscribe(const std::string& topic);

  /// The next message or error; null when there is none. One at a time, always (librdkafka's batches skip messages
  /// around pauses and rebalances).
  [[nodiscard]] MessageHandle poll(std::chrono::milliseconds patience);

  /// What is under way counts as one: call again when `committed` or a fault came. False when one is under way.
  bool commit_later(std::span<const Offset> offsets);
  Result<void> commit_now(std::span<const Offset> offsets, std::chrono::milliseconds patience);

  /// Messages that were fetched and wait for `poll`.
  [[nodiscard]] std::size_t queued() const;

  void pause(const TopicPartition& where);
  void resume(const TopicPartition& where);
  Result<void> seek(const Offset& to);

  /// Behind the last message, as last heard.
  [[nodiscard]] std::optional<std::int64_t> known_end(const TopicPartition& where) const;
  [[nodiscard]] Result<std::int64_t> ask_end(const TopicPartition& where, std::chrono::milliseconds patience);
  /// The first message that the partition still has. Error: store_unavailable.
  [[nodiscard]] Result<std::int64_t> ask_begin(const TopicPartition& where, std::chrono::milliseconds patience);
  /// What the group has committed; nullopt when it has not. Error: store_unavailable.
  [[nodiscard]] Result<std::optional<std::int64_t>> ask_committed(const TopicPartition& where,
                                                                  std::chrono::milliseconds patience);

  /// Whether librdkafka has gone on elsewhere than where it was to read, since this was asked last: that offset is not
  /// there any more. It says so in its log alone, before the first message from there.
  [[nodiscard]] bool was_reset() { return was_reset_.exchange(false); }

  /// Why this member cannot go on, if it cannot.
  [[nodiscard]] std::optional<std::string> fatal_error() const;

  /// Leaves the group (a static member only disconnects). Messages must have been given back before the destructor.
  void close(std::chrono::milliseconds patience);

 private:
  explicit Consumer(Events events) : events_{std::move(events)} {}
  [[nodiscard]] Result<std::pair<std::int64_t, std::int64_t>> ask_watermarks(const TopicPartition& where,
                                                                             std::chrono::milliseconds patience);
  void rebalance(rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t* partitions);

  Events events_;
  rd_kafka_t* handle_ = nullptr;
  QueueHandle queue_;
  bool commits_ = false;
  std::atomic<bool> was_reset_{false};  ///< set by librdkafka's threads
};

}  // namespace pebbles::kafka
