#pragma once
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "ingest/pending.hpp"
#include "store/event_store.hpp"

namespace pebbles::ingest {

struct IngestOptions {
  std::size_t queue_updates_max = 80'000;     ///< waiting in one lane
  std::size_t queue_bytes_max = 32UL << 20U;  ///< waiting in one lane
  std::size_t batch_updates_max = 40'000;     ///< of one commit
  std::size_t batch_bytes_max = 16UL << 20U;  ///< of one commit
  std::size_t cache_bytes_max = 32UL << 20U;  ///< states that one lane holds between batches
  bool alone = false;                         ///< nobody else writes to the store
};

/// The way in: hands each update to the lane of its stream. A lane is one thread with one store; while one of its
/// commits runs the next batch gathers, so an idle service answers at once and a busy one batches by itself.
class Ingest {
 public:
  /// One lane per store.
  Ingest(std::vector<std::unique_ptr<store::EventStore>> stores, const IngestOptions& options);
  ~Ingest();
  Ingest(const Ingest&) = delete;
  Ingest& operator=(const Ingest&) = delete;

  /// Queues an update; its `ack` is settled from the lane's thread. When the lane is full for this client the update
  /// comes back unchanged: answer "overloaded", or stop reading. One client can fill at most half of what is free, so
  /// a flood leaves room for the others. Threads: any.
  [[nodiscard]] std::optional<Pending> submit(Pending pending);

  /// The same for many at once: one lock per lane. What comes back is in order, and of no stream was anything queued
  /// behind what comes back. Threads: any, but of one log always the same.
  [[nodiscard]] std::vector<Pending> submit(std::vector<Pending> pendings);

  /// Takes nothing new, brings all that is queued to an outcome and ends the lanes. False if that took longer than
  /// `deadline`: what is left was settled as `Retry`.
  /// A second call returns what the first did.
  bool stop(std::chrono::milliseconds deadline);

  /// Has every lane look after its store, though nothing has come. Threads: any.
  void wake();

  /// Whether a lane has updates in hand or waiting, or had them a moment ago: between two batches of a full load it has
  /// none. Threads: any.
  [[nodiscard]] bool is_busy() const;

  /// Updates waiting in all lanes.
  [[nodiscard]] std::size_t queued() const;

 private:
  class Lane;
  [[nodiscard]] std::size_t lane_of(const Pending& pending) const;
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace pebbles::ingest
