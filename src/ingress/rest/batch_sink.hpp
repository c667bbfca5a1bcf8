#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "http/task.hpp"
#include "ingest/pending.hpp"

namespace pebbles::rest {

/// Brings the outcomes of batches back to the coroutines of one loop: one post for what a lane settled at once, and one
/// resumption for what a batch waits for, however many updates that is.
/// Threads: `settle` from any, the rest from the loop's. Lifetime: until the lanes have ended.
class BatchSink final : public ingest::AckSink {
 public:
  using Batch = std::uint32_t;
  using Outcomes = std::vector<std::optional<ingest::Outcome>>;

  explicit BatchSink(http::Executor executor) : executor_{executor} {}

  /// Of the states in a batch's outcomes, which share the store's memory at best: those after that are let go, as an
  /// answer would leave them out.
  static constexpr std::size_t states_bytes_max = 8UL << 20U;

  /// Room for the outcomes of so many updates. Close it once nothing more of it can be settled.
  [[nodiscard]] Batch open(std::size_t updates);
  /// For the update at that place in the batch.
  [[nodiscard]] ingest::Ack ack(Batch batch, std::size_t update);
  [[nodiscard]] static std::size_t update_of(std::uint64_t ticket) { return ticket >> 32U; }

  /// Until so many of the batch's updates have an outcome. One at a time waits for a batch.
  [[nodiscard]] http::Task<void> wait(Batch batch, std::size_t settled);

  /// What is missing was never settled.
  [[nodiscard]] Outcomes close(Batch batch);

  void settle(std::vector<ingest::Settlement> settlements) override;

 private:
  using Resume = std::move_only_function<void()>;
  struct Slot {
    Outcomes outcomes;
    std::size_t settled = 0;
    std::size_t wanted = 0;
    std::size_t states_bytes = 0;
    Resume resume;
  };

  void deliver(std::vector<ingest::Settlement>& settlements);

  http::Executor executor_;
  std::vector<Slot> slots_;
  std::vector<Batch> free_;
};

}  // namespace pebbles::rest
