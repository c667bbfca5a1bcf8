#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pebbles::auth {

/// One configured key: what it may be used for, and the check of a signature. A key serves one algorithm only, so that
/// a token cannot have a public key taken for a shared secret. Other algorithms are other implementations.
/// Threads: any, when const.
class Key {
 public:
  Key() = default;
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  virtual ~Key() = default;
  /// The name in a token's `alg` (RFC 7518, section 3.1), compared byte by byte.
  [[nodiscard]] virtual std::string_view algorithm() const = 0;
  /// What a token's `kid` has to be; nothing for a key without a name, which only verifies tokens without a `kid`.
  [[nodiscard]] virtual std::optional<std::string_view> id() const = 0;
  [[nodiscard]] virtual bool verifies(std::string_view signed_text, std::string_view signature) const = 0;
};

using Keys = std::vector<std::unique_ptr<const Key>>;

/// HS256. `secret` has at least 32 bytes (RFC 7518, section 3.2).
[[nodiscard]] std::unique_ptr<const Key> make_hmac_key(std::string secret);

/// The configured key that a token with this header asks for; null when there is none. Keys are the allow-list: an
/// algorithm without a key is not allowed, `none` first of all.
[[nodiscard]] const Key* find_key(const Keys& keys, std::string_view algorithm,
                                  const std::optional<std::string>& key_id);

}  // namespace pebbles::auth
