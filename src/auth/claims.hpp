#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

/// The two JSON objects of a signed token (RFC 7515, RFC 7519), as far as Pebbles cares. Pure.
namespace pebbles::auth {

struct TokenHeader {
  std::string algorithm;
  std::optional<std::string> key_id;
};

struct Claims {
  std::string email;  ///< empty when there is none to use
  Timestamp not_before = Timestamp::min();
  Timestamp expires;
};

/// Nothing when it is not a header, or asks for something that is not done here: critical extensions, other payload
/// encodings, compression, keys that the token itself brings or names an address of.
[[nodiscard]] std::optional<TokenHeader> read_header(std::string_view json);

/// Nothing when the claims contradict RFC 7519, or have no `exp`.
[[nodiscard]] std::optional<Claims> read_claims(std::string_view json);

}  // namespace pebbles::auth
