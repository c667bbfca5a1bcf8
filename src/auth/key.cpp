#include "auth/key.hpp"

#include <algorithm>
#include <cstdint>
#include <span>

#include "auth/public_key.hpp"
#include "base/assert.hpp"

namespace pebbles::auth {
namespace {

constexpr std::size_t secret_bytes_min = 32;
constexpr std::string_view hmac_algorithm = "HS256";

class HmacKey final : public Key {
 public:
  explicit HmacKey(std::string secret)
      : secret_{std::move(secret)}, fingerprint_{crypto::sha256({"hmac", "\n", secret_})} {
    PEBBLES_ASSERT(secret_.size() >= secret_bytes_min, "a short secret could be guessed from any token");
  }
  [[nodiscard]] bool serves(std::string_view algorithm) const override { return algorithm == hmac_algorithm; }
  [[nodiscard]] std::optional<std::string_view> id() const override { return std::nullopt; }
  [[nodiscard]] const crypto::Sha256Digest& fingerprint() const override { return fingerprint_; }
  [[nodiscard]] bool verifies(std::string_view algorithm, std::string_view signed_text,
                              std::string_view signature) const override {
    if (!serves(algorithm)) return false;
    const auto right = crypto::hmac_sha256(secret_, signed_text);
    const std::span given{reinterpret_cast<const std::uint8_t*>(signature.data()), signature.size()};
    return crypto::equal_in_constant_time(right, given);
  }

 private:
  std::string secret_;
  crypto::Sha256Digest fingerprint_;
};

}  // namespace

KeyPtr make_hmac_key(std::string secret) { return std::make_shared<HmacKey>(std::move(secret)); }

bool is_known_algorithm(std::string_view name) { return name == hmac_algorithm || is_public_key_algorithm(name); }

const Key* KeySet::find(std::string_view algorithm, const std::optional<std::string>& key_id) const {
  if (!algorithms.empty() && std::ranges::find(algorithms, algorithm) == algorithms.end()) return nullptr;
  const Key* found = nullptr;
  for (const auto& key : keys) {
    if (!key->serves(algorithm)) continue;
    if (key_id) {
      if (key->id() == key_id) return key.get();
      continue;
    }
    if (found != nullptr) return nullptr;
    found = key.get();
  }
  return found;
}

bool KeySet::contains(const crypto::Sha256Digest& fingerprint) const {
  return std::ranges::any_of(keys, [&](const KeyPtr& key) { return key->fingerprint() == fingerprint; });
}

}  // namespace pebbles::auth
