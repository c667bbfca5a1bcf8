#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "http/task.hpp"
#include "ingest/pending.hpp"

namespace pebbles::rest {

/// Brings outcomes from the lanes back to the coroutines of one loop that wait for them: one post per batch, however
/// many of the batch's updates came from this loop.
/// Threads: `settle` from any, the rest from the loop's. Lifetime: until the lanes have ended.
class LoopSink final : public ingest::AckSink {
 public:
  using Ticket = std::uint64_t;

  explicit LoopSink(http::Executor executor) : executor_{executor} {}

  /// A place for one outcome. Either submit `Ack{sink, ticket}` and then `wait`, without suspending in between, or
  /// `give_back`.
  [[nodiscard]] Ticket take_ticket();
  void give_back(Ticket ticket);

  /// The outcome. Call once per ticket.
  [[nodiscard]] http::Task<ingest::Outcome> wait(Ticket ticket);

  void settle(std::vector<ingest::Settlement> settlements) override;

  /// Tickets that are out.
  [[nodiscard]] std::size_t waiting() const { return slots_.size() - free_.size(); }

 private:
  using Resume = std::move_only_function<void(ingest::Outcome)>;
  struct Slot {
    std::uint32_t generation = 0;
    bool taken = false;
    Resume resume;
  };

  void deliver(std::vector<ingest::Settlement>& settlements);
  /// Null when the ticket is none that is out.
  [[nodiscard]] Slot* find(Ticket ticket);

  http::Executor executor_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
};

}  // namespace pebbles::rest
