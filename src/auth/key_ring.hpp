#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "auth/claims.hpp"
#include "auth/key.hpp"

namespace pebbles::auth {

enum class TokenFault : std::uint8_t;

/// The keys in force: those configured, and those last fetched from an issuer. Threads: any.
class KeyRing {
 public:
  /// `has_issuer`: more keys are published as they are fetched.
  explicit KeyRing(KeySet configured, bool has_issuer = false);

  [[nodiscard]] std::shared_ptr<const KeySet> keys() const;
  /// Another number whenever `keys()` are others: cheap to ask on every request.
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }

  /// What it means that no key fits a token's header: `invalid`, unless the issuer may have the key.
  [[nodiscard]] TokenFault fault_of_missing(const TokenHeader& header) const;

  /// Puts `fetched` in the place of what was published before.
  void publish(std::vector<KeyPtr> fetched);

 private:
  const KeySet configured_;
  const bool has_issuer_;
  std::atomic<bool> published_ = false;
  std::atomic<std::uint64_t> generation_ = 1;
  mutable std::mutex mutex_;
  std::shared_ptr<const KeySet> keys_;
};

}  // namespace pebbles::auth
