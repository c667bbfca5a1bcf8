#include <cstddef>
#include <cstdint>

#include "auth/token_verifier.hpp"
#include "base/assert.hpp"
#include "crypto/base64url.hpp"
#include "crypto/sha256.hpp"
#include "domain/text.hpp"

namespace {

using namespace pebbles;

const std::string secret = "a secret that no input can guess";

struct StandingClock final : Clock {
  [[nodiscard]] Timestamp now() const override { return Timestamp{std::chrono::seconds{1'700'000'000}}; }
};

/// The fuzzer cannot guess a signature, so the second half of the inputs is signed: what a misled issuer could send.
std::string sealed(std::string_view header, std::string_view claims) {
  auto token = crypto::to_base64url(header) + "." + crypto::to_base64url(claims);
  const auto mac = crypto::hmac_sha256(secret, token);
  return token + "." + crypto::to_base64url({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

void verify_twice(auth::TokenVerifier& verifier, const std::string& authorization) {
  const auto first = verifier.verify(authorization);
  const auto email = first ? *(*first)->email : std::string{};
  PEBBLES_ASSERT(!first || domain::is_valid_email(email), "an identity without a usable email");
  const auto second = verifier.verify(authorization);
  PEBBLES_ASSERT(first.has_value() == second.has_value(), "the cache changed the verdict");
  PEBBLES_ASSERT(first ? *(*second)->email == email : first.error() == second.error(), "the cache changed the answer");
}

}  // namespace

/// The input is a whole header field and, where it has a line feed, also a token's header and claims to be signed.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const StandingClock clock;
  static const auth::KeyRing ring{{.keys = {auth::make_hmac_key(secret)}, .algorithms = {}}};
  static auth::TokenVerifier verifier{ring, {.claims = {}, .cache_entries_max = 16}, clock};
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  verify_twice(verifier, std::string{input});
  PEBBLES_ASSERT(!verifier.verify(input), "an input without a signature was believed");
  if (const auto line = input.find('\n'); line != std::string_view::npos)
    verify_twice(verifier, "Bearer " + sealed(input.substr(0, line), input.substr(line + 1)));
  return 0;
}
