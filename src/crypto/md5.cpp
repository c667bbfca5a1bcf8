#include "crypto/md5.hpp"

#include <openssl/evp.h>

#include <memory>

#include "base/assert.hpp"

namespace pebbles::crypto {

std::array<std::uint8_t, 16> md5(std::string_view text) {
  thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
  std::array<std::uint8_t, 16> digest;
  const bool good = EVP_DigestInit_ex(context.get(), EVP_md5(), nullptr) == 1 &&
                    EVP_DigestUpdate(context.get(), text.data(), text.size()) == 1 &&
                    EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1;
  PEBBLES_ASSERT(good, "MD5 failed");
  return digest;
}

}  // namespace pebbles::crypto
