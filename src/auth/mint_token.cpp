#include "auth/token_verifier.hpp"
#include "crypto/base64url.hpp"
#include "crypto/sha256.hpp"
#include "json/writer.hpp"

namespace pebbles::auth {

std::string mint_token(const MintOptions& options, Timestamp now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
  std::string claims = R"({"email":)";
  json::append_string(claims, *options.email);
  if (!options.client.empty()) {
    claims.push_back(',');
    json::append_string(claims, options.client_claim);
    claims.push_back(':');
    json::append_string(claims, options.client);
  }
  claims += R"(,"iat":)";
  json::append_integer(claims, seconds.count());
  claims += R"(,"exp":)";
  json::append_integer(claims, (seconds + options.ttl).count());
  claims.push_back('}');

  std::string token = crypto::to_base64url(R"({"alg":"HS256","typ":"JWT"})") + "." + crypto::to_base64url(claims);
  const auto signature = crypto::hmac_sha256(options.hmac_secret, token);
  token.push_back('.');
  token += crypto::to_base64url({reinterpret_cast<const char*>(signature.data()), signature.size()});
  return token;
}

}  // namespace pebbles::auth
