#include <fmt/core.h>

#include "admission/update.hpp"
#include "app/commands.hpp"
#include "app/config_warnings.hpp"
#include "app/development_key.hpp"
#include "auth/token_verifier.hpp"
#include "base/redact.hpp"

namespace pebbles::app {
namespace {

Result<std::string> signing_secret(const Config& config) {
  if (!config.jwt_secret.empty()) return config.jwt_secret;
  if (!config.embedded_dir.empty()) return existing_development_key(config.embedded_dir);
  return failure(Errc::invalid_argument, "nothing to sign with: set JWT_SECRET, or name the server's --embedded DIR");
}

}  // namespace

int print_token(const Config& config, const TokenRequest& request) {
  if (!admission::is_valid_email(request.email)) {
    fmt::print(stderr, "pebbles: --email {}: must be an address such as you@example.com\n", redacted(request.email));
    return 2;
  }
  const auto secret = signing_secret(config);
  if (!secret) {
    fmt::print(stderr, "pebbles: {}\n", secret.error().detail);
    return 2;
  }
  auth::MintOptions options{
      .hmac_secret = *secret, .email = domain::Email{request.email}, .client = request.client, .ttl = request.ttl};
  if (!config.jwt_client_claim.empty()) options.client_claim = config.jwt_client_claim;
  fmt::print("{}\n", auth::mint_token(options, SystemClock{}.now()));
  return 0;
}

int print_config(const Config& config) {
  for (const auto& [setting, what] : config_warnings(config, from_process_environment, names_in_process_environment()))
    fmt::print(stderr, "pebbles: {} {}\n", setting, what);
  fmt::print("{}", show_config(config));
  return 0;
}

}  // namespace pebbles::app
