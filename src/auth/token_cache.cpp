#include "auth/token_cache.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace pebbles::auth {

TokenCache::TokenCache(std::size_t entries_max) : entries_max_{std::max<std::size_t>(entries_max, 1)} {}

const Verified* TokenCache::find(const crypto::Sha256Digest& digest) const {
  const auto found = index_.find(digest);
  return found == index_.end() ? nullptr : &found->second->verified;
}

const Verified& TokenCache::remember(const crypto::Sha256Digest& digest, Verified verified) {
  PEBBLES_ASSERT(!index_.contains(digest), "an entry that the index has lost would never be evicted");
  if (entries_.size() == entries_max_) {
    index_.erase(entries_.front().digest);
    entries_.pop_front();
  }
  entries_.push_back({.digest = digest, .verified = std::move(verified)});
  index_.emplace(digest, std::prev(entries_.end()));
  return entries_.back().verified;
}

void TokenCache::forget(const crypto::Sha256Digest& digest) {
  const auto found = index_.find(digest);
  if (found == index_.end()) return;
  entries_.erase(found->second);
  index_.erase(found);
}

void TokenCache::forget_all_but(const KeySet& keys) {
  std::erase_if(entries_, [&](const Entry& entry) {
    if (keys.contains(entry.verified.key)) return false;
    index_.erase(entry.digest);
    return true;
  });
}

}  // namespace pebbles::auth
