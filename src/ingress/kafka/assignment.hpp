#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "ingest/ingest.hpp"
#include "ingress/kafka/consumer.hpp"
#include "ingress/kafka/in_flight.hpp"

namespace pebbles::kafka {

/// Offsets at which there was no message: of transactions and compaction, or because retention has removed it.
struct Gap {
  std::optional<std::int64_t> from;  ///< nullopt: the group's committed offset
  std::int64_t to = 0;
};

/// A partition that is assigned to us.
struct Partition {
  TopicPartition where;
  ReadingId reading = 0;
  ingest::EpochPtr epoch;
  std::deque<ingest::Pending>
      parked;  ///< for which the lanes had no room, in order; what is read next goes behind them
  bool paused = false;
  bool stopped = false;
  std::optional<std::int64_t> first;      ///< that was read in this reading
  std::int64_t next = 0;                  ///< to be read
  std::optional<std::int64_t> expected;   ///< the offset that has to arrive next, if none is missing
  std::vector<Gap> gaps;                  ///< that were not looked into yet
  std::int64_t end = 0;                   ///< as last heard
  std::optional<std::int64_t> committed;  ///< by us
};

/// The partitions of one topic that are assigned to us, and what of them waits for the lanes. Threads: the consumer's.
class Assignment {
 public:
  using Partitions = std::map<std::int32_t, Partition>;

  void add(const TopicPartition& where, ReadingId reading, ingest::EpochPtr epoch);
  void clear() { partitions_.clear(); }
  [[nodiscard]] Partitions& all() { return partitions_; }
  [[nodiscard]] const Partitions& all() const { return partitions_; }
  /// Null when it is not ours.
  [[nodiscard]] Partition* find(std::int32_t number);

  /// Hands updates of Kafka to the lanes. What they have no room for is parked, and everything behind it in its
  /// partition too.
  void hand_over(ingest::Ingest& ingest, std::vector<ingest::Pending> pendings);
  /// Tries again what is parked.
  void hand_over_parked(ingest::Ingest& ingest);
  [[nodiscard]] bool parks() const;

  /// A message, or the partition's end, has arrived at `offset`; then `next` is to. Keeps a gap before it, if asked to.
  static void arrive(Partition& partition, std::int64_t offset, std::int64_t next, bool keeps_gaps);

  /// What may be committed and is not yet.
  [[nodiscard]] std::vector<Offset> committable(const InFlight& in_flight) const;
  void note_committed(std::span<const Offset> offsets);
  /// Messages that were not read yet, as last heard.
  [[nodiscard]] std::int64_t unread() const;
  /// The one with the most messages that were not read yet; null when there is none.
  [[nodiscard]] Partition* longest_backlog();

 private:
  Partitions partitions_;
};

}  // namespace pebbles::kafka
