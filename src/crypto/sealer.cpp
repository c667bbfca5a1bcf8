#include "crypto/sealer.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>

#include "base/assert.hpp"
#include "crypto/sha256.hpp"

namespace pebbles::crypto {
namespace {

using MacContext = std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)>;

/// A key for one purpose alone.
Sha256Digest derive(const Sealer::Key& key, std::string_view purpose) {
  return hmac_sha256({reinterpret_cast<const char*>(key.data()), key.size()}, purpose);
}

struct CounterMode {
  // Fetched once, as in sha256.cpp.
  std::unique_ptr<EVP_CIPHER, decltype(&EVP_CIPHER_free)> algorithm{EVP_CIPHER_fetch(nullptr, "AES-256-CTR", nullptr),
                                                                    EVP_CIPHER_free};
  std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context{EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free};
};

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

}  // namespace

/// Has its key already; copied for each tag.
struct Sealer::Mac {
  MacContext context{nullptr, EVP_MAC_CTX_free};
};

Sealer::Sealer(const Key& key) {
  auto mac_key = derive(key, "pebbles seal: authentication");
  const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> algorithm{EVP_MAC_fetch(nullptr, "HMAC", nullptr),
                                                                    EVP_MAC_free};
  auto mac = std::make_unique<Mac>();
  mac->context.reset(EVP_MAC_CTX_new(algorithm.get()));
  char digest[] = "SHA256";
  const std::array parameters{OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                              OSSL_PARAM_construct_end()};
  PEBBLES_ASSERT(EVP_MAC_init(mac->context.get(), mac_key.data(), mac_key.size(), parameters.data()) == 1,
                 "HMAC-SHA256 cannot be set up");
  mac_ = std::move(mac);
  encryption_key_ = derive(key, "pebbles seal: encryption");
  OPENSSL_cleanse(mac_key.data(), mac_key.size());
}

Sealer::Sealer(Sealer&& other) noexcept = default;

Sealer::~Sealer() { OPENSSL_cleanse(encryption_key_.data(), encryption_key_.size()); }

std::string Sealer::seal(std::string_view context, std::string_view text) const {
  const auto tag = tag_of(context, text);
  std::string out{reinterpret_cast<const char*>(tag.data()), tag.size()};
  return out += crypt(tag, text);
}

std::optional<std::string> Sealer::open(std::string_view context, std::string_view sealed) const {
  if (sealed.size() < tag_bytes) return std::nullopt;
  Tag tag;
  std::copy_n(bytes_of(sealed), tag.size(), tag.begin());
  auto text = crypt(tag, sealed.substr(tag_bytes));
  if (!equal_in_constant_time(tag, tag_of(context, text))) return std::nullopt;
  return text;
}

Sealer::Tag Sealer::tag_of(std::string_view context, std::string_view text) const {
  // In front, so that no end of the context is taken for the beginning of the text.
  std::array<unsigned char, 8> size{};
  for (std::size_t i = 0; i < size.size(); ++i)
    size[i] = static_cast<unsigned char>(std::uint64_t{context.size()} >> (56 - 8 * i));
  const MacContext mac{EVP_MAC_CTX_dup(mac_->context.get()), EVP_MAC_CTX_free};
  Sha256Digest digest;
  std::size_t length = 0;
  const bool good = mac && EVP_MAC_update(mac.get(), size.data(), size.size()) == 1 &&
                    EVP_MAC_update(mac.get(), bytes_of(context), context.size()) == 1 &&
                    EVP_MAC_update(mac.get(), bytes_of(text), text.size()) == 1 &&
                    EVP_MAC_final(mac.get(), digest.data(), &length, digest.size()) == 1 && length == digest.size();
  PEBBLES_ASSERT(good, "HMAC-SHA256 failed");
  Tag out;
  std::copy_n(digest.begin(), out.size(), out.begin());
  return out;
}

std::string Sealer::crypt(const Tag& tag, std::string_view text) const {
  thread_local CounterMode mode;
  std::string out(text.size(), '\0');
  int length = 0;
  const bool good =
      EVP_EncryptInit_ex2(mode.context.get(), mode.algorithm.get(), encryption_key_.data(), tag.data(), nullptr) == 1 &&
      EVP_EncryptUpdate(mode.context.get(), reinterpret_cast<unsigned char*>(out.data()), &length, bytes_of(text),
                        static_cast<int>(text.size())) == 1 &&
      static_cast<std::size_t>(length) == text.size();
  PEBBLES_ASSERT(good, "AES-256-CTR failed");
  return out;
}

}  // namespace pebbles::crypto
