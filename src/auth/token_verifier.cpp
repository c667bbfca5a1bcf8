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
  Impl(const KeyRing& the_ring, VerifierOptions options, const Clock& the_clock)
      : ring{the_ring},
        clock{the_clock},
        leeway{options.leeway},
        rules{std::move(options.claims)},
        cache{options.cache_entries_max} {}

  /// Takes over new keys; tokens of those that went have to be verified again, and will not be.
  void follow_keys() {
    const auto now = ring.generation();
    if (keys && now == generation) return;
    generation = now;
    keys = ring.keys();
    cache.forget_all_but(*keys);
  }

  /// Signature first: nothing that an unknown hand wrote is believed, except which key it claims to be signed with.
  [[nodiscard]] std::expected<Verified, TokenFault> read(const Parts& parts) const {
    const std::unexpected invalid{TokenFault::invalid};
    const auto header = read_header(*crypto::from_base64url(parts.header));
    if (!header) return invalid;
    const auto* key = keys->find(header->algorithm, header->key_id);
    if (key == nullptr) return std::unexpected{ring.fault_of_missing(*header)};
    if (!key->verifies(header->algorithm, parts.signed_text, *crypto::from_base64url(parts.signature))) return invalid;
    auto claims = read_claims(*crypto::from_base64url(parts.claims), rules);
    if (!claims) return invalid;
    return Verified{
        .identity = {.email = domain::Email{std::move(claims->email)}, .clients = std::move(claims->clients)},
        .not_before = claims->not_before,
        .expires = claims->expires,
        .key = key->fingerprint()};
  }

  [[nodiscard]] bool is_in_time(const Verified& token, Timestamp now) const {
    return now < token.expires + leeway && now + leeway >= token.not_before;
  }

  const KeyRing& ring;
  const Clock& clock;
  std::chrono::seconds leeway;
  ClaimRules rules;
  TokenCache cache;
  std::shared_ptr<const KeySet> keys;
  std::uint64_t generation = 0;
};

TokenVerifier::TokenVerifier(const KeyRing& keys, VerifierOptions options, const Clock& clock)
    : impl_{std::make_unique<Impl>(keys, std::move(options), clock)} {}
TokenVerifier::~TokenVerifier() = default;

std::expected<const Identity*, TokenFault> TokenVerifier::verify(std::string_view authorization) {
  const auto token = bearer_token(authorization);
  if (!token) return std::unexpected{TokenFault::missing};
  if (token->size() > token_bytes_max) return std::unexpected{TokenFault::invalid};
  const auto parts = split(*token);
  if (!parts) return std::unexpected{TokenFault::invalid};

  impl_->follow_keys();
  const auto now = impl_->clock.now();
  const auto digest = crypto::sha256(*token);
  if (const auto* known = impl_->cache.find(digest)) {
    // The clock may have been set in either direction since.
    if (impl_->is_in_time(*known, now)) return &known->identity;
    if (now >= known->expires) impl_->cache.forget(digest);
    return std::unexpected{TokenFault::invalid};
  }

  auto verified = impl_->read(*parts);
  if (!verified) return std::unexpected{verified.error()};
  if (!impl_->is_in_time(*verified, now)) return std::unexpected{TokenFault::invalid};
  if (verified->identity.email->empty()) return std::unexpected{TokenFault::no_email};
  return &impl_->cache.remember(digest, *std::move(verified)).identity;
}

}  // namespace pebbles::auth
