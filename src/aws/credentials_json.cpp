#include <fmt/core.h>

#include "aws/credentials_document.hpp"
#include "json/parser.hpp"

namespace pebbles::aws {

Result<Credentials> read_credentials_json(std::string_view text) {
  simdjson::dom::object object;
  if (json::parse(text).get(object) != simdjson::SUCCESS)
    return failure(Errc::forbidden, "the answer is no JSON object");
  if (const auto code = json::text_in(object, "Code"); !code.empty() && code != "Success")
    return failure(Errc::forbidden, fmt::format("the answer is {}: {}", code, json::text_in(object, "Message")));
  Credentials out{.access_key_id = std::string{json::text_in(object, "AccessKeyId")},
                  .secret_access_key = std::string{json::text_in(object, "SecretAccessKey")},
                  .session_token = std::string{json::text_in(object, "Token")}};
  if (out.access_key_id.empty()) return failure(Errc::forbidden, "the answer has no AccessKeyId");
  if (out.secret_access_key.empty()) return failure(Errc::forbidden, "the answer has no SecretAccessKey");
  if (const auto expiration = json::text_in(object, "Expiration"); !expiration.empty()) {
    out.expires = from_rfc3339(expiration);
    if (!out.expires) return failure(Errc::forbidden, "the Expiration of the answer is no time in UTC");
  }
  return out;
}

}  // namespace pebbles::aws
