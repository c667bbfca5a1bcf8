#include <fmt/core.h>

#include <array>
#include <optional>
#include <utility>

#include "aws/credentials_document.hpp"

namespace pebbles::aws {
namespace {

// Not a parser of XML: it finds the elements that one answer of one service has. Whatever is not written as that
// service writes it (attributes, comments, CDATA, unknown entities) is not found, and then the answer is refused.

/// What is between `<name>` and the next `</name>`.
std::optional<std::string_view> element(std::string_view text, std::string_view name) {
  const auto open = fmt::format("<{}>", name);
  const auto close = fmt::format("</{}>", name);
  const auto start = text.find(open);
  if (start == text.npos) return std::nullopt;
  text.remove_prefix(start + open.size());
  const auto end = text.find(close);
  if (end == text.npos) return std::nullopt;
  return text.substr(0, end);
}

constexpr std::array<std::pair<std::string_view, char>, 5> entities{
    {{"amp;", '&'}, {"lt;", '<'}, {"gt;", '>'}, {"quot;", '"'}, {"apos;", '\''}}};

/// Text without elements in it, with its entities resolved.
std::optional<std::string> plain_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '<') return std::nullopt;
    if (c != '&') {
      out.push_back(c);
      continue;
    }
    const auto* entity = entities.begin();
    while (entity != entities.end() && !text.starts_with(entity->first)) ++entity;
    if (entity == entities.end()) return std::nullopt;
    out.push_back(entity->second);
    text.remove_prefix(entity->first.size());
  }
  return out;
}

Result<std::string> part_of(std::string_view credentials, std::string_view name) {
  const auto found = element(credentials, name);
  auto text = found ? plain_text(*found) : std::nullopt;
  if (!text || text->empty()) return failure(Errc::forbidden, fmt::format("the answer has no {}", name));
  return *std::move(text);
}

}  // namespace

Result<Credentials> read_sts_credentials(std::string_view text) {
  const auto credentials = element(text, "Credentials");
  if (!credentials) return failure(Errc::forbidden, "the answer has no Credentials");
  PEBBLES_TRY(access_key_id, part_of(*credentials, "AccessKeyId"));
  PEBBLES_TRY(secret_access_key, part_of(*credentials, "SecretAccessKey"));
  PEBBLES_TRY(session_token, part_of(*credentials, "SessionToken"));
  PEBBLES_TRY(expiration, part_of(*credentials, "Expiration"));
  const auto expires = from_rfc3339(expiration);
  if (!expires) return failure(Errc::forbidden, "the Expiration of the answer is no time in UTC");
  return Credentials{.access_key_id = std::move(access_key_id),
                     .secret_access_key = std::move(secret_access_key),
                     .session_token = std::move(session_token),
                     .expires = expires};
}

std::string read_sts_error_code(std::string_view text) {
  const auto error = element(text, "Error");
  const auto code = error ? element(*error, "Code") : std::nullopt;
  return code ? plain_text(*code).value_or("") : std::string{};
}

}  // namespace pebbles::aws
