#include "app/token_keys.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "app/development_key.hpp"
#include "app/small_file.hpp"
#include "auth/jwks.hpp"
#include "auth/public_key.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::app {
namespace {

std::unexpected<Error> bad_key_file(const Config& config, std::string_view why) {
  return failure(Errc::invalid_argument, fmt::format("JWT_PUBLIC_KEY_FILE={}: {}", config.jwt_public_key_file, why));
}

/// PEM, or a JWK Set: whose keys have names, so that tokens with a `kid` find theirs.
Result<std::vector<auth::KeyPtr>> keys_of_file(const Config& config) {
  PEBBLES_TRY(text, read_small_file("JWT_PUBLIC_KEY_FILE", config.jwt_public_key_file));
  const auto start = text.find_first_not_of(" \t\r\n");
  if (start != std::string::npos && text[start] == '{') {
    auto set = auth::read_jwks(text);
    if (!set) return bad_key_file(config, set.error().detail);
    for (const auto& why : set->skipped) telemetry::key_file_key_skipped(config.jwt_public_key_file, why);
    return std::move(set->keys);
  }
  auto keys = auth::keys_of_pem(text);
  if (!keys) return bad_key_file(config, keys.error().detail);
  return keys;
}

bool serves_one_of(const auth::KeySet& set) {
  return std::ranges::any_of(set.keys, [&](const auth::KeyPtr& key) {
    return set.algorithms.empty() ||
           std::ranges::any_of(set.algorithms, [&](const std::string& name) { return key->serves(name); });
  });
}

}  // namespace

Result<auth::KeySet> configured_keys(const Config& config) {
  auth::KeySet out{.keys = {}, .algorithms = config.jwt_algorithms};
  if (!config.jwt_secret.empty()) out.keys.push_back(auth::make_hmac_key(config.jwt_secret));
  if (!config.jwt_public_key_file.empty()) {
    PEBBLES_TRY(keys, keys_of_file(config));
    std::ranges::move(keys, std::back_inserter(out.keys));
  }
  if (!config.jwt_jwks_url.empty()) return out;
  if (out.keys.empty() && !config.embedded_dir.empty()) {
    PEBBLES_TRY(secret, development_key(config.embedded_dir));
    out.keys.push_back(auth::make_hmac_key(secret));
  }
  if (out.keys.empty())
    return failure(Errc::invalid_argument,
                   "no way to verify tokens: set JWT_SECRET, JWT_PUBLIC_KEY_FILE or JWT_JWKS_URL, or try Pebbles out "
                   "with --embedded DIR");
  if (!serves_one_of(out))
    return failure(Errc::invalid_argument, "JWT_ALGORITHMS names no algorithm that a configured key serves");
  return out;
}

auth::ClaimRules claim_rules(const Config& config) {
  return {.issuers = config.jwt_issuers,
          .audiences = config.jwt_audiences,
          .client_claim = config.jwt_client_claim,
          .expiry_required = config.jwt_require_exp};
}

}  // namespace pebbles::app
