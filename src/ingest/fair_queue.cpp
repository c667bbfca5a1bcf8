#include "ingest/fair_queue.hpp"

#include <unordered_set>

namespace pebbles::ingest {

/// False, with the update as it was, when there is no room for it.
bool FairQueue::insert(Pending& pending, Time now) {
  const auto bytes = bytes_of(pending);
  if (closed_ || updates_ >= bounds_.updates_max || bytes_ + bytes > bounds_.bytes_max) return false;
  auto known = clients_.find(*pending.stream.client);
  if (!pending.epoch && would_wait_too_long(known == clients_.end() ? 0 : known->second.updates.size(), now))
    return false;
  if (known != clients_.end()) {
    const auto& own = known->second;
    if (own.updates.size() >= bounds_.updates_max - updates_ || own.bytes + bytes > bounds_.bytes_max - bytes_)
      return false;
  } else {
    known = clients_.try_emplace(*pending.stream.client).first;
    turns_.push_back(&*known);
  }
  asked_ += pending.epoch ? 0 : 1;
  if (flood_.came(*pending.stream.client, now) && rests_) {
    rests_ = false;
    came_.notify_one();
  }
  known->second.updates.emplace_back(std::move(pending), bytes);
  known->second.bytes += bytes;
  ++updates_;
  bytes_ += bytes;
  return true;
}

/// For who has `own` updates in the queue: clients take turns, so of each other no more go before. A few are let in
/// whatever the pace: batches of a handful say little of it, where other instances write the same files nothing.
bool FairQueue::would_wait_too_long(std::size_t own, Time now) const {
  if (pace_.elapsed(now) > waits_.stuck_max) return true;
  const auto before = std::min(updates_, (own + 1) * clients_.size());
  return before >= Pace::few && pace_.for_updates(before) > waits_.queued_max;
}

/// While others wait for answers a batch must not take long: who comes next would wait for all of it. Otherwise a large
/// one costs least.
std::size_t FairQueue::updates_of_batch(std::size_t updates_max) const {
  const bool others_wait = asked_ > 0 && clients_.size() > 1;
  return std::min(updates_max, pace_.updates_in(others_wait ? waits_.batch_max : waits_.large_batch_max));
}

std::optional<Pending> FairQueue::push(Pending pending) {
  bool wakes = false;
  {
    const std::lock_guard lock{mutex_};
    if (!insert(pending, now_())) return pending;
    wakes = wanted_ > 0 && updates_ >= wanted_;
  }
  if (wakes) came_.notify_one();
  return std::nullopt;
}

std::vector<Pending> FairQueue::push(std::vector<Pending> pendings) {
  std::vector<Pending> back;
  std::unordered_set<std::string> full;  // clients without room: a smaller update must not slip past a larger one
  bool wakes = false;
  {
    const std::lock_guard lock{mutex_};
    const auto now = now_();
    for (auto& pending : pendings) {
      if ((full.empty() || !full.contains(*pending.stream.client)) && insert(pending, now)) continue;
      full.insert(*pending.stream.client);
      back.push_back(std::move(pending));
    }
    wakes = wanted_ > 0 && updates_ >= wanted_;
  }
  if (wakes) came_.notify_one();
  return back;
}

std::vector<Pending> FairQueue::take(Bounds batch, std::optional<std::chrono::milliseconds> patience) {
  std::unique_lock lock{mutex_};
  pace_.end(now_());
  rest(lock);
  const bool waited = updates_ == 0;
  wait(lock, 1, patience);
  if (waited && updates_ > 0 && updates_ < usual_ / 2) wait(lock, usual_, gather_for);
  woken_ = false;

  std::vector<Pending> out;
  const auto updates_max = updates_of_batch(batch.updates_max);
  out.reserve(std::min(updates_, updates_max));
  std::size_t bytes_taken = 0;
  while (!turns_.empty() && out.size() < updates_max && bytes_taken < batch.bytes_max) {
    auto* const turn = turns_.front();
    turns_.pop_front();
    auto& own = turn->second;
    auto& [pending, bytes] = own.updates.front();
    own.bytes -= bytes;
    bytes_taken += bytes;
    asked_ -= pending.epoch ? 0 : 1;
    out.push_back(std::move(pending));
    own.updates.pop_front();
    if (own.updates.empty())
      clients_.erase(clients_.find(turn->first));
    else
      turns_.push_back(turn);
  }
  updates_ -= out.size();
  bytes_ -= bytes_taken;
  if (!out.empty()) {
    usual_ = (3 * usual_ + out.size() + 2) / 4;
    pace_.begin(out.size(), now_());
    flood_.begin(out, now_());
  }
  return out;
}

void FairQueue::wait(std::unique_lock<std::mutex>& lock, std::size_t wanted,
                     std::optional<std::chrono::microseconds> patience) {
  const auto enough = [&] { return updates_ >= wanted || closed_ || woken_; };
  wanted_ = wanted;
  if (patience)
    came_.wait_for(lock, *patience, enough);
  else
    came_.wait(lock, enough);
  wanted_ = 0;
}

/// Unless somebody else than who floods waits.
void FairQueue::rest(std::unique_lock<std::mutex>& lock) {
  const auto length = flood_.rest(now_());
  const bool others_wait = clients_.size() > 1 || (clients_.size() == 1 && !flood_.is_of(clients_.begin()->first));
  if (length == Flood::Duration::zero() || others_wait) return;
  rests_ = true;
  came_.wait_for(lock, length, [&] { return !rests_ || closed_ || woken_; });
  rests_ = false;
}

void FairQueue::wake() {
  {
    const std::lock_guard lock{mutex_};
    woken_ = true;
  }
  came_.notify_all();
}

void FairQueue::close() {
  {
    const std::lock_guard lock{mutex_};
    closed_ = true;
  }
  came_.notify_all();
}

bool FairQueue::closed() const {
  const std::lock_guard lock{mutex_};
  return closed_;
}

std::size_t FairQueue::size() const {
  const std::lock_guard lock{mutex_};
  return updates_;
}

}  // namespace pebbles::ingest
