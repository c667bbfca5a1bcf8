#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "auth/key.hpp"
#include "base/result.hpp"

namespace pebbles::auth {

/// A JWK Set, read.
struct Jwks {
  std::vector<KeyPtr> keys;
  std::vector<std::string> skipped;  ///< why each other one was left out, for the log
};

/// Reads a JWK Set (RFC 7517, section 5), or a single JWK. Keys that cannot or must not be used are left out, as the
/// RFC asks: unknown types and algorithms, `use` other than `sig`, `key_ops` without `verify`, symmetric keys, private
/// ones, weak ones, and a name that was taken before. Errors: invalid_argument when it is no JWK Set, when it has more
/// than 100 keys, or when no key is left.
[[nodiscard]] Result<Jwks> read_jwks(std::string_view json);

}  // namespace pebbles::auth
