#include "auth/key_ring.hpp"

#include <algorithm>

#include "auth/public_key.hpp"
#include "auth/token_verifier.hpp"

namespace pebbles::auth {
namespace {

bool same_keys(const std::vector<KeyPtr>& a, const std::vector<KeyPtr>& b) {
  return std::ranges::equal(a, b, {}, &Key::fingerprint, &Key::fingerprint);
}

}  // namespace

KeyRing::KeyRing(KeySet configured, bool has_issuer)
    : configured_{std::move(configured)}, has_issuer_{has_issuer}, keys_{std::make_shared<KeySet>(configured_)} {}

std::shared_ptr<const KeySet> KeyRing::keys() const {
  const std::lock_guard lock{mutex_};
  return keys_;
}

TokenFault KeyRing::fault_of_missing(const TokenHeader& header) const {
  const auto& allowed = configured_.algorithms;
  const bool issuer_may_have_it = has_issuer_ && is_public_key_algorithm(header.algorithm) &&
                                  (allowed.empty() || std::ranges::find(allowed, header.algorithm) != allowed.end());
  if (!issuer_may_have_it) return TokenFault::invalid;
  if (!published_.load(std::memory_order_acquire)) return TokenFault::no_keys_yet;
  return header.key_id ? TokenFault::unknown_key : TokenFault::invalid;
}

void KeyRing::publish(std::vector<KeyPtr> fetched) {
  auto next = std::make_shared<KeySet>(configured_);
  std::ranges::move(fetched, std::back_inserter(next->keys));
  const std::lock_guard lock{mutex_};
  if (!same_keys(keys_->keys, next->keys)) {
    keys_ = std::move(next);
    generation_.fetch_add(1, std::memory_order_release);
  }
  published_.store(true, std::memory_order_release);
}

}  // namespace pebbles::auth
