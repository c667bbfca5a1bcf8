#include <fmt/core.h>

#include "aws/credentials_document.hpp"
#include "json/parser.hpp"

namespace pebbles::aws {
namespace {

std::string member(const simdjson::dom::object& object, std::string_view name) {
  std::string_view text;
  return object[name].get(text) == simdjson::SUCCESS ? std::string{text} : std::string{};
}

}  // namespace

Result<Credentials> read_credentials_json(std::string_view text) {
  simdjson::dom::object object;
  if (json::parse(text).get(object) != simdjson::SUCCESS)
    return failure(Errc::forbidden, "the answer is no JSON object");
  if (const auto code = member(object, "Code"); !code.empty() && code != "Success")
    return failure(Errc::forbidden, fmt::format("the answer is {}: {}", code, member(object, "Message")));
  Credentials out{.access_key_id = member(object, "AccessKeyId"),
                  .secret_access_key = member(object, "SecretAccessKey"),
                  .session_token = member(object, "Token")};
  if (out.access_key_id.empty()) return failure(Errc::forbidden, "the answer has no AccessKeyId");
  if (out.secret_access_key.empty()) return failure(Errc::forbidden, "the answer has no SecretAccessKey");
  if (const auto expiration = member(object, "Expiration"); !expiration.empty()) {
    out.expires = from_rfc3339(expiration);
    if (!out.expires) return failure(Errc::forbidden, "the Expiration of the answer is no time in UTC");
  }
  return out;
}

}  // namespace pebbles::aws
