#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/claims.hpp"
#include "auth/key_ring.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "domain/values.hpp"

namespace pebbles::auth {

/// Who speaks, as the token says.
struct Identity {
  domain::Email email;
  std::vector<std::string> clients = {};  ///< that the token is bound to, where a client claim is configured
};

enum class TokenFault : std::uint8_t {
  missing,      ///< no Authorization header, or not `Bearer <token>`
  invalid,      ///< bad signature, expired, not allowed: one answer for all, so that nobody can probe
  no_email,     ///< a good token without a usable email
  unknown_key,  ///< it names a key that is not known; the issuer may have made it since the keys were fetched
  no_keys_yet,  ///< nothing was fetched from the issuer so far, so nobody can tell
};

struct VerifierOptions {
  ClaimRules claims;
  std::chrono::seconds leeway{30};       ///< for exp and nbf
  std::size_t cache_entries_max = 8192;  ///< verified tokens kept, known by their SHA-256
};

/// Verifies bearer tokens (RFC 6750, RFC 7519, RFC 8725). The algorithms allowed come from the keys, never from
/// the token. Threads: one per instance (each I/O loop has its own, so its cache needs no lock).
class TokenVerifier {
 public:
  /// `keys` and `clock` outlive it.
  TokenVerifier(const KeyRing& keys, VerifierOptions options, const Clock& clock);
  ~TokenVerifier();
  TokenVerifier(const TokenVerifier&) = delete;
  TokenVerifier& operator=(const TokenVerifier&) = delete;

  /// `authorization` is the header's value, empty when there is none.
  /// The identity stays valid until the next call.
  [[nodiscard]] std::expected<const Identity*, TokenFault> verify(std::string_view authorization);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct MintOptions {
  std::string hmac_secret;
  domain::Email email;
  std::string client = {};              ///< empty: no client claim
  std::string client_claim = "client";  ///< its name
  std::chrono::seconds ttl{3600};
};

/// A development token, signed with HS256: claims email, iat, exp, and client when given.
[[nodiscard]] std::string mint_token(const MintOptions& options, Timestamp now);

}  // namespace pebbles::auth
