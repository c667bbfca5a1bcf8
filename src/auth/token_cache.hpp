#pragma once
#include <cstring>
#include <list>
#include <unordered_map>

#include "auth/key.hpp"
#include "auth/token_verifier.hpp"
#include "base/clock.hpp"
#include "crypto/sha256.hpp"

namespace pebbles::auth {

/// Who a token was verified for, and when it holds.
struct Verified {
  Identity identity;
  Timestamp not_before;
  Timestamp expires;
  crypto::Sha256Digest key{};  ///< the fingerprint of the key that it was verified with
};

/// The last verified tokens, known by the SHA-256 of their text. Holds at most `entries_max` (at least 1): the oldest
/// goes first. Threads: one. What it hands out stays until the next `remember` or `forget`.
class TokenCache {
 public:
  explicit TokenCache(std::size_t entries_max);

  [[nodiscard]] const Verified* find(const crypto::Sha256Digest& digest) const;
  /// Precondition: the digest is not in the cache.
  const Verified& remember(const crypto::Sha256Digest& digest, Verified verified);
  void forget(const crypto::Sha256Digest& digest);
  /// Forgets what was verified with a key that is not in the set any more.
  void forget_all_but(const KeySet& keys);
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    crypto::Sha256Digest digest;
    Verified verified;
  };
  struct FirstBytes {
    std::size_t operator()(const crypto::Sha256Digest& digest) const noexcept {
      std::size_t out = 0;
      std::memcpy(&out, digest.data(), sizeof out);
      return out;
    }
  };

  std::size_t entries_max_;
  std::list<Entry> entries_;  // oldest first
  std::unordered_map<crypto::Sha256Digest, std::list<Entry>::iterator, FirstBytes> index_;
};

}  // namespace pebbles::auth
