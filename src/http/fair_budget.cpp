#include "http/fair_budget.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace pebbles::http {

bool FairBudget::fits(const Uses& own, std::size_t bytes, Use use) const {
  const auto used = all_.bodies.bytes + all_.readings.bytes;
  auto free = bytes_max_ - std::min(used, bytes_max_);
  if (use == Use::body) {
    const auto of_bodies = bytes_max_ / 4 * 3;
    free = std::min(free, of_bodies - std::min(all_.bodies.bytes, of_bodies));
  }
  if (bytes > free || free == 0) return false;
  const auto left = free - bytes;
  if (use == Use::reading) return own.readings.shares == 0 || own.readings.bytes + bytes <= left;
  const auto own_bytes = own.bodies.bytes + bytes;
  return own_bytes <= first_bytes_max || own_bytes <= left;
}

bool FairBudget::has_room(const std::string& requester, std::size_t bytes) const {
  const std::lock_guard lock{mutex_};
  const auto known = requesters_.find(requester);
  return fits(known == requesters_.end() ? Uses{} : known->second, bytes, Use::body);
}

std::optional<FairBudget::Share> FairBudget::take(const std::string& requester, std::size_t bytes, Use use) {
  Share out{*this, requester, bytes, use};  // before the lock: it allocates
  const std::lock_guard lock{mutex_};
  auto& own = requesters_[requester];
  if (!fits(own, bytes, use)) {
    if (own.bodies.shares + own.readings.shares == 0) requesters_.erase(requester);
    out.budget_ = nullptr;
    return std::nullopt;
  }
  for (auto* const taken : {&own.of(use), &all_.of(use)}) {
    taken->bytes += bytes;
    ++taken->shares;
  }
  return out;
}

bool FairBudget::grow(Share& share, std::size_t bytes) {
  PEBBLES_ASSERT(share.budget_ == this && bytes >= share.bytes_, "only its own share grows");
  const std::lock_guard lock{mutex_};
  auto& own = requesters_.find(share.requester_)->second;
  const auto more = bytes - share.bytes_;
  if (!fits(own, more, share.use_)) return false;
  own.of(share.use_).bytes += more;
  all_.of(share.use_).bytes += more;
  share.bytes_ = bytes;
  return true;
}

void FairBudget::Share::shrink_to(std::size_t bytes) {
  if (budget_ == nullptr || bytes >= bytes_) return;
  const std::lock_guard lock{budget_->mutex_};
  const auto less = bytes_ - bytes;
  budget_->all_.of(use_).bytes -= less;
  budget_->requesters_.find(requester_)->second.of(use_).bytes -= less;
  bytes_ = bytes;
}

void FairBudget::give_back(const std::string& requester, std::size_t bytes, Use use) {
  const std::lock_guard lock{mutex_};
  const auto entry = requesters_.find(requester);
  for (auto* const taken : {&entry->second.of(use), &all_.of(use)}) {
    taken->bytes -= bytes;
    --taken->shares;
  }
  if (entry->second.bodies.shares + entry->second.readings.shares == 0) requesters_.erase(entry);
}

bool FairBudget::is_unused() const {
  const std::lock_guard lock{mutex_};
  return requesters_.empty();
}

std::size_t FairBudget::used() const {
  const std::lock_guard lock{mutex_};
  return all_.bodies.bytes + all_.readings.bytes;
}

}  // namespace pebbles::http
