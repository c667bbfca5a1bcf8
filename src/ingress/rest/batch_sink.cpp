#include "ingress/rest/batch_sink.hpp"

#include <boost/asio/post.hpp>
#include <utility>

#include "base/assert.hpp"

namespace pebbles::rest {

BatchSink::Batch BatchSink::open(std::size_t updates) {
  if (free_.empty()) {
    free_.push_back(static_cast<Batch>(slots_.size()));
    slots_.emplace_back();
  }
  const auto batch = free_.back();
  free_.pop_back();
  slots_[batch].outcomes.resize(updates);
  return batch;
}

ingest::Ack BatchSink::ack(Batch batch, std::size_t update) { return {*this, std::uint64_t{update} << 32U | batch}; }

http::Task<void> BatchSink::wait(Batch batch, std::size_t settled) {
  if (slots_[batch].settled >= settled) co_return;
  auto initiate = [this, batch, settled](auto handler) {
    slots_[batch].wanted = settled;
    slots_[batch].resume = std::move(handler);
  };
  co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<http::Executor>, void()>(initiate,
                                                                                                   http::use_task);
}

BatchSink::Outcomes BatchSink::close(Batch batch) {
  auto closed = std::exchange(slots_[batch], {});
  free_.push_back(batch);
  return std::move(closed.outcomes);
}

void BatchSink::settle(std::vector<ingest::Settlement> settlements) {
  boost::asio::post(executor_, [this, all = std::move(settlements)]() mutable { deliver(all); });
}

void BatchSink::deliver(std::vector<ingest::Settlement>& settlements) {
  for (auto& settlement : settlements) {
    const auto batch = static_cast<Batch>(settlement.ticket);
    auto& slot = slots_[batch];
    auto& outcome = slot.outcomes.at(update_of(settlement.ticket));
    PEBBLES_ASSERT(!outcome, "an update is settled once");
    outcome = std::move(settlement.outcome);
    if (auto* const applied = std::get_if<ingest::Applied>(&*outcome); applied != nullptr && applied->after) {
      slot.states_bytes += applied->after->errors.bytes() + applied->after->warnings.bytes();
      if (slot.states_bytes > states_bytes_max) applied->after.reset();
    }
    if (++slot.settled < slot.wanted || !slot.resume) continue;
    auto resume = std::exchange(slot.resume, nullptr);  // first: what resumes may open another batch
    resume();
  }
}

}  // namespace pebbles::rest
