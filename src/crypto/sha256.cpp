#include "crypto/sha256.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <memory>

#include "base/assert.hpp"

namespace pebbles::crypto {
namespace {

struct Hasher {
  // Fetched once: looking an algorithm up by name costs more than hashing an update.
  std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> algorithm{EVP_MD_fetch(nullptr, "SHA256", nullptr), EVP_MD_free};
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

}  // namespace

Sha256Digest sha256(std::initializer_list<std::string_view> parts) {
  thread_local Hasher hasher;
  Sha256Digest digest;
  bool good = EVP_DigestInit_ex2(hasher.context.get(), hasher.algorithm.get(), nullptr) == 1;
  for (const auto part : parts) good = good && EVP_DigestUpdate(hasher.context.get(), part.data(), part.size()) == 1;
  good = good && EVP_DigestFinal_ex(hasher.context.get(), digest.data(), nullptr) == 1;
  PEBBLES_ASSERT(good, "SHA-256 failed");
  return digest;
}

std::array<std::uint8_t, 16> short_sha256(std::initializer_list<std::string_view> parts) {
  const auto digest = sha256(parts);
  std::array<std::uint8_t, 16> out;
  std::copy_n(digest.begin(), out.size(), out.begin());
  return out;
}

Sha256Digest hmac_sha256(std::string_view key, std::string_view text) {
  Sha256Digest digest;
  unsigned length = 0;
  const auto* made = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                          reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &length);
  PEBBLES_ASSERT(made != nullptr && length == digest.size(), "HMAC-SHA256 failed");
  return digest;
}

bool equal_in_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void fill_random(std::span<std::uint8_t> bytes) {
  const int good = RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
  PEBBLES_ASSERT(good == 1, "the system has no random numbers");
}

}  // namespace pebbles::crypto
