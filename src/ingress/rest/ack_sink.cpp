#include "ingress/rest/ack_sink.hpp"

#include <boost/asio/post.hpp>

#include "base/assert.hpp"

namespace pebbles::rest {

LoopSink::Ticket LoopSink::take_ticket() {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const auto index = free_.back();
  free_.pop_back();
  slots_[index].taken = true;
  return Ticket{slots_[index].generation} << 32U | index;
}

LoopSink::Slot* LoopSink::find(Ticket ticket) {
  const auto index = static_cast<std::uint32_t>(ticket);
  if (index >= slots_.size()) return nullptr;
  auto& slot = slots_[index];
  return slot.taken && slot.generation == ticket >> 32U ? &slot : nullptr;
}

void LoopSink::give_back(Ticket ticket) {
  auto* slot = find(ticket);
  PEBBLES_ASSERT(slot != nullptr, "a ticket is given back once");
  slot->resume = nullptr;
  slot->taken = false;
  ++slot->generation;
  free_.push_back(static_cast<std::uint32_t>(ticket));
}

http::Task<ingest::Outcome> LoopSink::wait(Ticket ticket) {
  auto initiate = [this, ticket](auto handler) {
    auto* slot = find(ticket);
    PEBBLES_ASSERT(slot != nullptr, "an outcome can't come before its coroutine waits: both happen on the loop");
    slot->resume = std::move(handler);
  };
  return boost::asio::async_initiate<const boost::asio::use_awaitable_t<http::Executor>, void(ingest::Outcome)>(
      initiate, http::use_task);
}

void LoopSink::settle(std::vector<ingest::Settlement> settlements) {
  boost::asio::post(executor_, [this, all = std::move(settlements)]() mutable { deliver(all); });
}

void LoopSink::deliver(std::vector<ingest::Settlement>& settlements) {
  for (auto& settlement : settlements) {
    auto* slot = find(settlement.ticket);
    PEBBLES_ASSERT(slot != nullptr, "an update is settled once");
    auto resume = std::move(slot->resume);
    give_back(settlement.ticket);  // first: what resumes may take the slot again
    if (resume) resume(std::move(settlement.outcome));
  }
}

}  // namespace pebbles::rest
