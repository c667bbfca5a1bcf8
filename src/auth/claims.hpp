#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

/// The two JSON objects of a signed token (RFC 7515, RFC 7519), as far as Pebbles cares. Pure.
namespace pebbles::auth {

struct TokenHeader {
  std::string algorithm;
  std::optional<std::string> key_id;
};

/// What is asked of a token's claims besides a usable time.
struct ClaimRules {
  std::vector<std::string> issuers;    ///< `iss` is one of these; empty: anybody's
  std::vector<std::string> audiences;  ///< `aud` is or holds one of these; empty: for anybody
  std::string client_claim;            ///< the claim that names the token's clients; empty: none is looked at
  bool expiry_required = true;
};

struct Claims {
  std::string email;                 ///< empty when there is none to use
  std::vector<std::string> clients;  ///< what the client claim holds: one name, or a list of names
  Timestamp not_before = Timestamp::min();
  Timestamp expires;  ///< far away for a token that need not have an end, and has none
};

/// Nothing when it is not a header, or asks for something that is not done here: critical extensions, other payload
/// encodings, compression, keys that the token itself brings or names an address of.
[[nodiscard]] std::optional<TokenHeader> read_header(std::string_view json);

/// Nothing when the claims contradict RFC 7519 or the rules.
[[nodiscard]] std::optional<Claims> read_claims(std::string_view json, const ClaimRules& rules);

}  // namespace pebbles::auth
