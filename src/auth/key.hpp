#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/sha256.hpp"

namespace pebbles::auth {

/// A key that tokens are verified with, and the only one who says by which algorithms: a token cannot have a public
/// key taken for a shared secret, nor one curve for another (RFC 8725, sections 2.1 and 3.1). Threads: any.
class Key {
 public:
  Key() = default;
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  virtual ~Key() = default;
  /// Whether it verifies by the algorithm of that name (RFC 7518, section 3.1), compared byte by byte.
  [[nodiscard]] virtual bool serves(std::string_view algorithm) const = 0;
  /// What a token's `kid` has to be; nothing for a key without a name, which only verifies tokens without a `kid`.
  [[nodiscard]] virtual std::optional<std::string_view> id() const = 0;
  /// The same for the same key under the same name and algorithms, wherever it was read.
  [[nodiscard]] virtual const crypto::Sha256Digest& fingerprint() const = 0;
  /// False for an algorithm that it does not serve.
  [[nodiscard]] virtual bool verifies(std::string_view algorithm, std::string_view signed_text,
                                      std::string_view signature) const = 0;
};

using KeyPtr = std::shared_ptr<const Key>;

/// HS256. `secret` has at least 32 bytes (RFC 7518, section 3.2).
[[nodiscard]] KeyPtr make_hmac_key(std::string secret);

/// Every algorithm that some key can serve: what JWT_ALGORITHMS may name.
[[nodiscard]] bool is_known_algorithm(std::string_view name);

/// The keys in force at a time. Keys are the allow-list: an algorithm without a key is not allowed, `none` first of
/// all.
struct KeySet {
  std::vector<KeyPtr> keys;
  std::vector<std::string> algorithms;  ///< narrows what the keys allow; empty: all that they do

  /// The key that a token with this header asks for; null when there is none. A token without a `kid` asks for the one
  /// key that serves its algorithm; of two, neither is meant.
  [[nodiscard]] const Key* find(std::string_view algorithm, const std::optional<std::string>& key_id) const;
  [[nodiscard]] bool contains(const crypto::Sha256Digest& fingerprint) const;
};

}  // namespace pebbles::auth
