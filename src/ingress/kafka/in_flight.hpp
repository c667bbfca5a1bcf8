#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ingest/pending.hpp"
#include "ingress/kafka/client.hpp"
#include "ingress/kafka/dead_letters.hpp"
#include "ingress/kafka/offset_tracker.hpp"

namespace pebbles::kafka {

/// Names one reading of a partition, from its assignment to its end, and never another one.
using ReadingId = std::uint32_t;
/// Names one message of one reading.
using Ticket = std::uint64_t;

struct TopicPartition {
  std::string topic;
  std::int32_t partition = 0;
  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};

/// What one reading has come to.
struct ReadingState {
  TopicPartition where;
  std::size_t messages = 0;                           ///< read and not yet done with, or done behind one that is not
  std::size_t bytes = 0;                              ///< of those not yet done with
  std::optional<std::int64_t> committable;            ///< all below is done with
  std::optional<std::int64_t> end;                    ///< behind the last message of the partition, as last heard
  std::chrono::steady_clock::time_point progress_at;  ///< when `committable` moved last, or there was nothing to do
  bool must_reread = false;                           ///< a message was sent back: end the reading and begin again
  std::optional<std::int64_t> suspect;                ///< an offset that a stream remembers is at or beyond `end`
};

/// The messages that were read and are not yet done with, per reading of a partition: stored, found to be counted
/// before, or dead-lettered. Tells how far offsets may be committed (invariant 11: dead letters are durable first).
/// Threads: any may settle, the consumer's does the rest. Lifetime: until the lanes have ended.
class InFlight final : public ingest::AckSink {
 public:
  struct Bounds {
    std::size_t messages_max = 0;
    std::size_t bytes_max = 0;
  };

  /// `write` takes dead letters, from any thread.
  InFlight(std::function<void(DeadLetter)> write, Bounds bounds) : write_{std::move(write)}, bounds_{bounds} {}

  /// The log's name in the positions of its messages; before the first is added.
  void name_log(std::string log_id);

  /// A reading begins, under a new epoch.
  [[nodiscard]] ReadingId begin(TopicPartition where);
  [[nodiscard]] ingest::EpochPtr epoch(ReadingId id) const;
  /// What is queued of it is dropped; what is under way counts no more here.
  void end_epoch(ReadingId id);
  /// Forgets it, with its messages. Call it before the consumer ends.
  void forget(ReadingId id);

  struct Arrival {
    ReadingId reading = 0;
    MessageHandle message;
    Ticket ticket = 0;  ///< filled by `add`; 0: it was read before, and is dropped
  };
  /// Takes the messages, which stay where they are until they are settled.
  void add(std::span<Arrival> arrivals);
  void reached_end(ReadingId id, std::int64_t offset);
  void heard_of_end(ReadingId id, std::int64_t end);
  /// It can never be counted.
  void refuse(Ticket ticket, std::string_view reason, std::string_view detail);

  void settle(std::vector<ingest::Settlement> settlements) override;

  /// The partition's end was asked for: suspects below it were counted before, after all. True when one is not.
  [[nodiscard]] bool judge_suspects(ReadingId id, std::int64_t end);

  [[nodiscard]] std::optional<ReadingState> state(ReadingId id) const;
  [[nodiscard]] std::vector<ReadingState> states() const;
  /// No room for more messages.
  [[nodiscard]] bool is_full() const;
  /// At most half of the room is taken.
  [[nodiscard]] bool has_room() const;
  /// Waits until `is_full()` is false. False when it still is.
  bool wait_for_room(std::chrono::milliseconds patience);
  /// Waits until nothing of these readings is under way.
  bool wait_until_settled(std::span<const ReadingId> ids, std::chrono::milliseconds patience);

 private:
  struct Original {
    MessageHandle message;
  };
  struct Reading {
    ReadingState state;
    std::shared_ptr<ingest::Epoch> epoch = std::make_shared<ingest::Epoch>();
    OffsetTracker<Original> tracker;
    std::size_t open = 0;  ///< messages that have no outcome
    struct Suspect {
      Ticket ticket;
      std::int64_t remembered;
    };
    std::vector<Suspect> suspects;
  };
  struct Counts {
    std::int64_t applied = 0, duplicate = 0, dead_letters = 0, dropped = 0;
  };

  [[nodiscard]] Reading* find(Ticket ticket);
  void settle_some(std::span<ingest::Settlement> settlements, Counts& counts);
  void finish(Reading& reading, Ticket ticket);
  void settle_replay(Reading& reading, Ticket ticket, const ingest::Replayed& replayed);
  [[nodiscard]] DeadLetter letter_of(Reading& reading, Ticket ticket, std::string_view reason);
  void when_durable(DeadLetter& letter, Ticket ticket, ingest::GatePtr gate);
  [[nodiscard]] static ReadingState state_of(const Reading& reading);

  const std::function<void(DeadLetter)> write_;
  const Bounds bounds_;
  mutable std::mutex mutex_;
  std::condition_variable settled_;
  std::map<ReadingId, Reading> readings_;
  std::string log_id_;
  std::size_t messages_ = 0;
  std::size_t bytes_ = 0;
  ReadingId last_ = 0;
};

}  // namespace pebbles::kafka
