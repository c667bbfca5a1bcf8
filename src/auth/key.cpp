#include "auth/key.hpp"

#include <cstdint>
#include <span>

#include "base/assert.hpp"
#include "crypto/sha256.hpp"

namespace pebbles::auth {
namespace {

constexpr std::size_t secret_bytes_min = 32;

class HmacKey final : public Key {
 public:
  explicit HmacKey(std::string secret) : secret_{std::move(secret)} {
    PEBBLES_ASSERT(secret_.size() >= secret_bytes_min, "a short secret could be guessed from any token");
  }
  [[nodiscard]] std::string_view algorithm() const override { return "HS256"; }
  [[nodiscard]] std::optional<std::string_view> id() const override { return std::nullopt; }
  [[nodiscard]] bool verifies(std::string_view signed_text, std::string_view signature) const override {
    const auto right = crypto::hmac_sha256(secret_, signed_text);
    const std::span given{reinterpret_cast<const std::uint8_t*>(signature.data()), signature.size()};
    return crypto::equal_in_constant_time(right, given);
  }

 private:
  std::string secret_;
};

}  // namespace

std::unique_ptr<const Key> make_hmac_key(std::string secret) { return std::make_unique<HmacKey>(std::move(secret)); }

const Key* find_key(const Keys& keys, std::string_view algorithm, const std::optional<std::string>& key_id) {
  for (const auto& key : keys)
    if (key->algorithm() == algorithm && key->id() == key_id) return key.get();
  return nullptr;
}

}  // namespace pebbles::auth
