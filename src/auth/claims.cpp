#include "auth/claims.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "domain/text.hpp"
#include "json/parser.hpp"

namespace pebbles::auth {
namespace {

using simdjson::dom::element;

// The last second of the year 9999. What lies behind it is no date, but milliseconds taken for seconds, or a trick.
constexpr double seconds_max = 253'402'300'799;
constexpr Timestamp far_away{std::chrono::seconds{static_cast<std::int64_t>(seconds_max)}};

constexpr std::size_t key_id_bytes_max = 256;

constexpr std::string_view refused_parameters[] = {"crit", "b64", "zip", "enc", "jku", "jwk", "x5u", "x5c"};

bool is_refused(std::string_view parameter) {
  return std::ranges::find(refused_parameters, parameter) != std::end(refused_parameters);
}

/// Keeps what was given first; false when something was given before. Readers differ in which of two members they
/// take, so a token with two could mean one person here and another elsewhere.
bool take_once(std::optional<element>& slot, element value) {
  if (slot) return false;
  slot = value;
  return true;
}

/// A NumericDate (RFC 7519, section 2): seconds, fractions allowed.
std::optional<Timestamp> date_of(element value) {
  double seconds = 0;
  if (value.get(seconds) || !(seconds >= 0 && seconds <= seconds_max)) return std::nullopt;
  return Timestamp{std::chrono::milliseconds{static_cast<std::int64_t>(std::floor(seconds * 1000))}};
}

std::string string_or_empty(const std::optional<element>& value) {
  std::string_view text;
  if (!value || value->get(text)) return {};
  return std::string{text};
}

/// Some issuers write the boolean as a string. What is neither true nor absent does not vouch for the address.
bool is_unverified(const std::optional<element>& verified) {
  if (!verified || verified->is_null()) return false;
  bool flag = false;
  if (!verified->get(flag)) return !flag;
  return string_or_empty(verified) != "true";
}

/// One text, or a list of them; nothing for any other value (RFC 7519, section 4.1.3, says so of `aud`).
std::optional<std::vector<std::string>> texts_of(element value) {
  std::string_view one;
  if (!value.get(one)) return std::vector{std::string{one}};
  simdjson::dom::array list;
  if (value.get(list)) return std::nullopt;
  std::vector<std::string> out;
  for (const auto entry : list) {
    if (entry.get(one)) return std::nullopt;
    out.emplace_back(one);
  }
  return out;
}

bool holds_one_of(const std::optional<element>& value, const std::vector<std::string>& wanted) {
  const auto given = value ? texts_of(*value) : std::nullopt;
  return given && std::ranges::find_first_of(*given, wanted) != given->end();
}

/// A list of issuers would be no issuer (RFC 7519, section 4.1.1).
bool is_from_one_of(const std::optional<element>& issuer, const std::vector<std::string>& wanted) {
  return issuer && issuer->is_string() && holds_one_of(issuer, wanted);
}

std::string usable_email(const std::optional<element>& email, const std::optional<element>& verified) {
  auto out = string_or_empty(email);
  if (!domain::is_valid_email(out) || is_unverified(verified)) out.clear();
  return out;
}

}  // namespace

std::optional<TokenHeader> read_header(std::string_view json) {
  simdjson::dom::object header;
  if (json::parse(json).get(header)) return std::nullopt;
  std::optional<element> algorithm, key_id;
  for (const auto [name, value] : header) {
    if (is_refused(name)) return std::nullopt;
    if (name == "alg" && !take_once(algorithm, value)) return std::nullopt;
    if (name == "kid" && !take_once(key_id, value)) return std::nullopt;
  }
  TokenHeader out{.algorithm = string_or_empty(algorithm), .key_id = {}};
  if (key_id) {
    out.key_id = string_or_empty(key_id);
    if (out.key_id->empty() || out.key_id->size() > key_id_bytes_max) return std::nullopt;
  }
  return out;
}

std::optional<Claims> read_claims(std::string_view json, const ClaimRules& rules) {
  simdjson::dom::object claims;
  if (json::parse(json).get(claims)) return std::nullopt;
  std::optional<element> email, verified, expires, not_before, issued_at, issuer, audience, client;
  const std::pair<std::string_view, std::optional<element>*> known[] = {
      {"email", &email},    {"email_verified", &verified}, {"exp", &expires},
      {"nbf", &not_before}, {"iat", &issued_at},           {"iss", &issuer},
      {"aud", &audience}};
  for (const auto [name, value] : claims) {
    for (const auto& [known_name, slot] : known)
      if (name == known_name && !take_once(*slot, value)) return std::nullopt;
    if (!rules.client_claim.empty() && name == rules.client_claim && !take_once(client, value)) return std::nullopt;
  }

  Claims out;
  const auto end = expires ? date_of(*expires) : rules.expiry_required ? std::nullopt : std::optional{far_away};
  const auto start = not_before ? date_of(*not_before) : std::optional{out.not_before};
  if (!end || !start || (issued_at && !issued_at->is_number())) return std::nullopt;
  if (!rules.issuers.empty() && !is_from_one_of(issuer, rules.issuers)) return std::nullopt;
  if (!rules.audiences.empty() && !holds_one_of(audience, rules.audiences)) return std::nullopt;
  out.expires = *end;
  out.not_before = *start;
  out.email = usable_email(email, verified);
  if (client) out.clients = texts_of(*client).value_or(std::vector<std::string>{});
  return out;
}

}  // namespace pebbles::auth
