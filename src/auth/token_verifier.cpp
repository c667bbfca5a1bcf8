#include "auth/token_verifier.hpp"

#include <algorithm>
#include <optional>

#include "auth/claims.hpp"
#include "auth/key.hpp"
#include "auth/token_cache.hpp"
#include "crypto/base64url.hpp"
#include "crypto/sha256.hpp"

namespace pebbles::auth {
namespace {

constexpr std::size_t token_bytes_max = 16UL << 10U;

bool equal_ignoring_case(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != lower[i]) return false;
  }
  return true;
}

/// The one token behind `Bearer`, or nothing. White space, a comma included in a second header's value, makes two.
std::optional<std::string_view> bearer_token(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer";
  if (!equal_ignoring_case(authorization.substr(0, scheme.size()), scheme)) return std::nullopt;
  authorization.remove_prefix(scheme.size());
  const auto start = authorization.find_first_not_of(' ');
  if (start == 0 || start == std::string_view::npos) return std::nullopt;
  const auto token = authorization.substr(start);
  if (std::ranges::any_of(token, [](char c) { return c == ' ' || c == '\t' || c == ','; })) return std::nullopt;
  return token;
}

/// The parts of a compact JWS, each still encoded.
struct Parts {
  std::string_view header;
  std::string_view claims;
  std::string_view signature;
  std::string_view signed_text;  ///< header and claims with the dot between them
};

/// Exactly three parts, each canonical: one token has one spelling, here and in the cache.
std::optional<Parts> split(std::string_view token) {
  const auto first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const auto second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const Parts parts{.header = token.substr(0, first),
                    .claims = token.substr(first + 1, second - first - 1),
                    .signature = token.substr(second + 1),
                    .signed_text = token.substr(0, second)};
  // A dot is no base64url letter, so a fourth part fails with the signature.
  for (const auto part : {parts.header, parts.claims, parts.signature})
    if (!crypto::is_base64url(part)) return std::nullopt;
  return parts;
}

}  // namespace

struct TokenVerifier::Impl {
  Impl(VerifierOptions options, const Clock& the_clock)
      : clock{the_clock}, leeway{options.leeway}, cache{options.cache_entries_max} {
    keys.push_back(make_hmac_key(std::move(options.hmac_secret)));
  }

  /// Signature first: nothing that an unknown hand wrote is believed, except which key it claims to be signed with.
  [[nodiscard]] std::optional<Claims> signed_claims(const Parts& parts) const {
    const auto header = read_header(*crypto::from_base64url(parts.header));
    if (!header) return std::nullopt;
    const auto* key = find_key(keys, header->algorithm, header->key_id);
    if (key == nullptr || !key->verifies(parts.signed_text, *crypto::from_base64url(parts.signature)))
      return std::nullopt;
    return read_claims(*crypto::from_base64url(parts.claims));
  }

  [[nodiscard]] bool expired(Timestamp end, Timestamp now) const { return now >= end + leeway; }
  [[nodiscard]] bool early(Timestamp start, Timestamp now) const { return now + leeway < start; }

  const Clock& clock;
  std::chrono::seconds leeway;
  Keys keys;
  TokenCache cache;
};

TokenVerifier::TokenVerifier(VerifierOptions options, const Clock& clock)
    : impl_{std::make_unique<Impl>(std::move(options), clock)} {}
TokenVerifier::~TokenVerifier() = default;

std::expected<const Identity*, TokenFault> TokenVerifier::verify(std::string_view authorization) {
  const auto token = bearer_token(authorization);
  if (!token) return std::unexpected{TokenFault::missing};
  if (token->size() > token_bytes_max) return std::unexpected{TokenFault::invalid};
  const auto parts = split(*token);
  if (!parts) return std::unexpected{TokenFault::invalid};

  const auto now = impl_->clock.now();
  const auto digest = crypto::sha256(*token);
  if (const auto* known = impl_->cache.find(digest)) {
    // The clock may have been set in either direction since.
    if (impl_->early(known->not_before, now)) return std::unexpected{TokenFault::invalid};
    if (!impl_->expired(known->expires, now)) return &known->identity;
    impl_->cache.forget(digest);
    return std::unexpected{TokenFault::invalid};
  }

  auto claims = impl_->signed_claims(*parts);
  if (!claims || impl_->expired(claims->expires, now) || impl_->early(claims->not_before, now))
    return std::unexpected{TokenFault::invalid};
  if (claims->email.empty()) return std::unexpected{TokenFault::no_email};
  const auto& verified = impl_->cache.remember(digest, {.identity = {.email = domain::Email{std::move(claims->email)}},
                                                        .not_before = claims->not_before,
                                                        .expires = claims->expires});
  return &verified.identity;
}

}  // namespace pebbles::auth
