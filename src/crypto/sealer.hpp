#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace pebbles::crypto {

/// Deterministic authenticated encryption: the construction of RFC 5297 (a synthetic initialisation vector) over
/// HMAC-SHA-256 and AES-256-CTR. The tag is the first 16 bytes of an HMAC of context and text, and the initialisation
/// vector of the encryption as well. Equal text in equal context gives equal bytes: who must not see that puts random
/// bytes into the text. A tag cannot be made, nor a text read, without the key.
/// Threads: any.
class Sealer {
 public:
  using Key = std::array<std::uint8_t, 32>;
  static constexpr std::size_t tag_bytes = 16;

  explicit Sealer(const Key& key);
  Sealer(Sealer&& other) noexcept;
  Sealer& operator=(Sealer&&) = delete;
  ~Sealer();

  /// Tag and encrypted text: `tag_bytes` longer than the text.
  [[nodiscard]] std::string seal(std::string_view context, std::string_view text) const;
  /// The text; nullopt for all that `seal` did not give for this context under this key. Compares in constant time.
  [[nodiscard]] std::optional<std::string> open(std::string_view context, std::string_view sealed) const;

 private:
  struct Mac;
  using Tag = std::array<std::uint8_t, tag_bytes>;
  [[nodiscard]] Tag tag_of(std::string_view context, std::string_view text) const;
  /// Encrypts, and decrypts: CTR is its own inverse.
  [[nodiscard]] std::string crypt(const Tag& tag, std::string_view text) const;

  std::unique_ptr<const Mac> mac_;
  Key encryption_key_{};
};

}  // namespace pebbles::crypto
