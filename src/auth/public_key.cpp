#include "auth/public_key.hpp"

#include <fmt/core.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <utility>

namespace pebbles::auth {
namespace {

template <class T, void (*Free)(T*)>
struct Freed {
  void operator()(T* held) const { Free(held); }
};
template <class T, void (*Free)(T*)>
using Owned = std::unique_ptr<T, Freed<T, Free>>;

using PublicKeyHandle = Owned<EVP_PKEY, EVP_PKEY_free>;
using KeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using DigestContext = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using Number = Owned<BIGNUM, BN_free>;
using ParamBuilder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Params = Owned<OSSL_PARAM, OSSL_PARAM_free>;
using EcdsaSignature = Owned<ECDSA_SIG, ECDSA_SIG_free>;

enum class Scheme { rsa_pkcs1, rsa_pss, ecdsa, eddsa };

/// What a key has to be to serve an algorithm.
enum class Type { rsa, p256, p384, ed25519, other };

struct Algorithm {
  std::string_view name;
  Scheme scheme;
  Type type;
  const EVP_MD* (*digest)();
};

constexpr std::array algorithms{
    Algorithm{"RS256", Scheme::rsa_pkcs1, Type::rsa, EVP_sha256},
    Algorithm{"RS384", Scheme::rsa_pkcs1, Type::rsa, EVP_sha384},
    Algorithm{"RS512", Scheme::rsa_pkcs1, Type::rsa, EVP_sha512},
    Algorithm{"PS256", Scheme::rsa_pss, Type::rsa, EVP_sha256},
    Algorithm{"PS384", Scheme::rsa_pss, Type::rsa, EVP_sha384},
    Algorithm{"PS512", Scheme::rsa_pss, Type::rsa, EVP_sha512},
    Algorithm{"ES256", Scheme::ecdsa, Type::p256, EVP_sha256},
    Algorithm{"ES384", Scheme::ecdsa, Type::p384, EVP_sha384},
    Algorithm{"EdDSA", Scheme::eddsa, Type::ed25519, nullptr},
    Algorithm{"Ed25519", Scheme::eddsa, Type::ed25519, nullptr},  // its name since RFC 9864
};

const Algorithm* find_algorithm(std::string_view name) {
  const auto* found = std::ranges::find(algorithms, name, &Algorithm::name);
  return found == algorithms.end() ? nullptr : found;
}

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::size_t coordinate_bytes(Type type) { return type == Type::p256 ? 32 : 48; }

std::string group_of(EVP_PKEY* key) {
  std::array<char, 64> name{};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, name.data(), name.size(), &size) != 1) return {};
  return {name.data(), size};
}

Type type_of(EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA: return Type::rsa;
    case EVP_PKEY_ED25519: return Type::ed25519;
    case EVP_PKEY_EC: {
      const auto group = group_of(key);
      if (group == "prime256v1") return Type::p256;
      return group == "secp384r1" ? Type::p384 : Type::other;
    }
    default: return Type::other;
  }
}

/// JWS has the two numbers side by side at their full length (RFC 7518, section 3.4), OpenSSL wants them in DER. Empty
/// for any other length.
std::string der_of(std::string_view signature, std::size_t number_bytes) {
  if (signature.size() != 2 * number_bytes) return {};
  const auto half = static_cast<int>(number_bytes);
  Number r{BN_bin2bn(bytes_of(signature), half, nullptr)};
  Number s{BN_bin2bn(bytes_of(signature.substr(number_bytes)), half, nullptr)};
  const EcdsaSignature pair{ECDSA_SIG_new()};
  if (!r || !s || !pair) return {};
  // Fails for null pointers alone, and owns the numbers from here on.
  if (ECDSA_SIG_set0(pair.get(), r.release(), s.release()) != 1) return {};
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  if (size <= 0) return {};
  std::string out{reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)};
  OPENSSL_free(der);
  return out;
}

class PublicKey final : public Key {
 public:
  PublicKey(PublicKeyHandle key, Type type, KeyLabel label)
      : key_{std::move(key)}, type_{type}, label_{std::move(label)} {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key_.get(), &der);
    const std::string_view bytes{reinterpret_cast<const char*>(der), size > 0 ? static_cast<std::size_t>(size) : 0};
    fingerprint_ = crypto::sha256({"public\n", label_.id, "\n", label_.algorithm, "\n", bytes});
    OPENSSL_free(der);
  }

  [[nodiscard]] bool serves(std::string_view algorithm) const override {
    const auto* known = find_algorithm(algorithm);
    return known != nullptr && known->type == type_ && (label_.algorithm.empty() || label_.algorithm == algorithm);
  }
  [[nodiscard]] std::optional<std::string_view> id() const override {
    return label_.id.empty() ? std::nullopt : std::optional<std::string_view>{label_.id};
  }
  [[nodiscard]] const crypto::Sha256Digest& fingerprint() const override { return fingerprint_; }

  [[nodiscard]] bool verifies(std::string_view algorithm, std::string_view signed_text,
                              std::string_view signature) const override {
    if (!serves(algorithm)) return false;
    const bool good = check(*find_algorithm(algorithm), signed_text, signature);
    ERR_clear_error();  // a bad signature leaves its reasons with the thread
    return good;
  }

 private:
  [[nodiscard]] bool check(const Algorithm& algorithm, std::string_view text, std::string_view signature) const {
    std::string der;
    if (algorithm.scheme == Scheme::ecdsa) {
      der = der_of(signature, coordinate_bytes(type_));
      if (der.empty()) return false;
      signature = der;
    } else if (std::cmp_not_equal(signature.size(), EVP_PKEY_get_size(key_.get()))) {
      return false;
    }
    const DigestContext context{EVP_MD_CTX_new()};
    const auto* digest = algorithm.digest != nullptr ? algorithm.digest() : nullptr;
    EVP_PKEY_CTX* parameters = nullptr;
    if (!context || EVP_DigestVerifyInit(context.get(), &parameters, digest, nullptr, key_.get()) != 1) return false;
    // The salt is as long as the digest, and its mask made by the same digest (RFC 7518, section 3.5).
    if (algorithm.scheme == Scheme::rsa_pss &&
        (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) != 1 ||
         EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, digest) != 1))
      return false;
    return EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text), text.size()) == 1;
  }

  PublicKeyHandle key_;
  Type type_;
  KeyLabel label_;
  crypto::Sha256Digest fingerprint_{};
};

std::unexpected<Error> unusable(std::string what) {
  ERR_clear_error();
  return failure(Errc::invalid_argument, std::move(what));
}

/// Refuses RSA keys that are too short to be safe or too long to be quick, and exponents that make signing a no-op or
/// cannot be one.
Result<void> judge_rsa(EVP_PKEY* key) {
  constexpr int bits_min = 2048;
  constexpr int bits_max = 8192;
  const int bits = EVP_PKEY_get_bits(key);
  if (bits < bits_min || bits > bits_max)
    return failure(Errc::invalid_argument,
                   fmt::format("an RSA key of {} bits: from {} to {} are served", bits, bits_min, bits_max));
  BIGNUM* raw = nullptr;
  EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &raw);
  const Number exponent{raw};
  constexpr int exponent_bits_max = 64;
  if (!exponent || !BN_is_odd(exponent.get()) || BN_is_one(exponent.get()) ||
      BN_num_bits(exponent.get()) > exponent_bits_max)
    return failure(Errc::invalid_argument, "an RSA key with an unusable exponent");
  return {};
}

Result<KeyPtr> judged(PublicKeyHandle key, const KeyLabel& label) {
  const auto type = type_of(key.get());
  if (type == Type::other) return unusable("a key of a type or curve that is not served");
  if (type == Type::rsa) PEBBLES_TRY_VOID(judge_rsa(key.get()));
  const KeyContext context{EVP_PKEY_CTX_new(key.get(), nullptr)};
  if (!context || EVP_PKEY_public_check(context.get()) != 1)
    return unusable("a key whose numbers do not belong together");
  auto out = std::make_shared<const PublicKey>(std::move(key), type, label);
  if (!label.algorithm.empty() && !out->serves(label.algorithm))
    return unusable(fmt::format("a key that cannot serve the algorithm it names, {:.20}", label.algorithm));
  return out;
}

Result<KeyPtr> from_params(const char* type, OSSL_PARAM_BLD* builder, const KeyLabel& label) {
  const Params params{OSSL_PARAM_BLD_to_param(builder)};
  const KeyContext context{EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr)};
  EVP_PKEY* raw = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &raw, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return unusable("a key whose numbers make none");
  return judged(PublicKeyHandle{raw}, label);
}

Result<KeyPtr> from_pem_block(std::string_view name, const unsigned char* data, long size) {
  if (name == PEM_STRING_PUBLIC) {
    PublicKeyHandle key{d2i_PUBKEY(nullptr, &data, size)};
    if (!key) return unusable("a PUBLIC KEY that cannot be read");
    return judged(std::move(key), {});
  }
  if (name == PEM_STRING_X509) {
    const Owned<X509, X509_free> certificate{d2i_X509(nullptr, &data, size)};
    if (!certificate) return unusable("a CERTIFICATE that cannot be read");
    PublicKeyHandle key{X509_get_pubkey(certificate.get())};
    if (!key) return unusable("a CERTIFICATE without a usable key");
    return judged(std::move(key), {});
  }
  return unusable(fmt::format("it holds a {:.40}; a PUBLIC KEY or a CERTIFICATE is wanted", name));
}

}  // namespace

bool is_public_key_algorithm(std::string_view name) { return find_algorithm(name) != nullptr; }

Result<KeyPtr> make_rsa_key(const RsaNumbers& numbers, const KeyLabel& label) {
  constexpr std::size_t bytes_max = 1024;  // 8192 bits
  if (numbers.modulus.size() > bytes_max || numbers.exponent.size() > bytes_max)
    return unusable("an RSA key that is too long");
  const auto number_of = [](const std::string& bytes) {
    return Number{BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr)};
  };
  const auto modulus = number_of(numbers.modulus);
  const auto exponent = number_of(numbers.exponent);
  const ParamBuilder builder{OSSL_PARAM_BLD_new()};
  if (!modulus || !exponent || !builder ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1)
    return unusable("an RSA key whose numbers make none");
  return from_params("RSA", builder.get(), label);
}

Result<KeyPtr> make_ec_key(const EcNumbers& numbers, const KeyLabel& label) {
  const bool p256 = numbers.curve == "P-256";
  if (!p256 && numbers.curve != "P-384") return unusable(fmt::format("the curve {:.20} is not served", numbers.curve));
  const auto bytes = coordinate_bytes(p256 ? Type::p256 : Type::p384);
  // At their full length, leading zeros included (RFC 7518, section 6.2.1.2).
  if (numbers.x.size() != bytes || numbers.y.size() != bytes) return unusable("a coordinate of the wrong length");
  const auto point = "\x04" + numbers.x + numbers.y;  // uncompressed (SEC 1, section 2.3.3)
  const ParamBuilder builder{OSSL_PARAM_BLD_new()};
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, p256 ? "prime256v1" : "secp384r1",
                                      0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1)
    return unusable("an EC key whose numbers make none");
  return from_params("EC", builder.get(), label);
}

Result<KeyPtr> make_ed25519_key(std::string_view bytes, const KeyLabel& label) {
  constexpr std::size_t key_bytes = 32;
  if (bytes.size() != key_bytes) return unusable("an Ed25519 key of the wrong length");
  PublicKeyHandle key{EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(bytes), bytes.size())};
  if (!key) return unusable("an Ed25519 key that cannot be read");
  return judged(std::move(key), label);
}

Result<std::vector<KeyPtr>> keys_of_pem(std::string_view pem) {
  const Owned<BIO, BIO_free_all> bio{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
  std::vector<KeyPtr> out;
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  while (bio && PEM_read_bio(bio.get(), &name, &header, &data, &size) == 1) {
    auto key = from_pem_block(name, data, size);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    if (!key) return std::unexpected{std::move(key).error()};
    out.push_back(*std::move(key));
  }
  ERR_clear_error();
  if (out.empty()) return failure(Errc::invalid_argument, "it holds no PEM block that can be read");
  return out;
}

}  // namespace pebbles::auth
