#pragma once
#include <expected>
#include <functional>
#include <string_view>

#include "auth/token_verifier.hpp"
#include "domain/values.hpp"
#include "http/exchange.hpp"
#include "http/response.hpp"
#include "http/task.hpp"

/// Who may do what over HTTP: what stands between a route and its token.
namespace pebbles::access {

struct GuardOptions {
  auth::VerifierOptions tokens;
  bool bound_to_clients = false;  ///< a token is good only for the clients that its client claim names
  /// Asks for the issuer's keys to be fetched; false when that is not going to happen. Empty: there is no issuer.
  std::function<bool(std::function<void()> done)> fetch_keys;
};

/// Admits requests by their bearer token. One per loop, shared by its routes. Threads: its loop's.
class Guard {
 public:
  /// `keys` and `clock` outlive it.
  Guard(const auth::KeyRing& keys, GuardOptions options, const Clock& clock);

  /// Whose token the request carries, if it is good for that client; else the answer to give, in the words of
  /// docs/api.md. A token of an unknown key waits for the issuer's keys where these may be fetched.
  [[nodiscard]] http::Task<std::expected<domain::Email, http::Response>> admit(const http::Exchange& exchange,
                                                                               std::string_view client);

  /// Who sent the request, for sharing: the email of a token that verifies now, otherwise the address.
  [[nodiscard]] std::string requester_of(const http::Exchange& exchange);

 private:
  [[nodiscard]] std::expected<const auth::Identity*, auth::TokenFault> verify(const http::Exchange& exchange);
  /// False at once when they will not be fetched.
  [[nodiscard]] http::Task<bool> keys_were_fetched();

  GuardOptions options_;
  auth::TokenVerifier verifier_;
};

[[nodiscard]] http::Response answer_of(auth::TokenFault fault);

}  // namespace pebbles::access
