#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/key.hpp"
#include "base/result.hpp"

/// Public keys, over OpenSSL's EVP. docs/adr/0006 says why not a JOSE library, and what is checked here instead.
namespace pebbles::auth {

/// RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, Ed25519.
[[nodiscard]] bool is_public_key_algorithm(std::string_view name);

/// What a JWK says about a key besides its numbers (RFC 7517, section 4).
struct KeyLabel {
  std::string id;         ///< empty: none
  std::string algorithm;  ///< empty: all that its type can do
};

/// The numbers of a key, big-endian, as the JWK has them (RFC 7518, section 6; RFC 8037, section 2).
struct RsaNumbers {
  std::string modulus, exponent;
};
struct EcNumbers {
  std::string curve, x, y;
};

/// Errors: invalid_argument, with the reason: RSA below 2048 or above 8192 bits or with an exponent that will not do; a
/// point that is not on its curve; a curve that is not served; an algorithm that the key cannot do.
[[nodiscard]] Result<KeyPtr> make_rsa_key(const RsaNumbers& numbers, const KeyLabel& label);
[[nodiscard]] Result<KeyPtr> make_ec_key(const EcNumbers& numbers, const KeyLabel& label);
[[nodiscard]] Result<KeyPtr> make_ed25519_key(std::string_view bytes, const KeyLabel& label);

/// Every `PUBLIC KEY` of a PEM file (RFC 7468, section 13), and the key of every `CERTIFICATE`. Errors:
/// invalid_argument, when there is none, or one that would not do; also for private keys, which have no business here.
[[nodiscard]] Result<std::vector<KeyPtr>> keys_of_pem(std::string_view pem);

}  // namespace pebbles::auth
