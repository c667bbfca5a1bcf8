#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace pebbles::crypto {

using Sha256Digest = std::array<std::uint8_t, 32>;

/// SHA-256 (FIPS 180-4) of the concatenation of `parts`. Threads: any; allocates nothing after a thread's first call.
[[nodiscard]] Sha256Digest sha256(std::initializer_list<std::string_view> parts);
[[nodiscard]] inline Sha256Digest sha256(std::string_view text) { return sha256({text}); }

/// The first 16 bytes of it.
[[nodiscard]] std::array<std::uint8_t, 16> short_sha256(std::initializer_list<std::string_view> parts);

/// HMAC-SHA256 (RFC 2104).
[[nodiscard]] Sha256Digest hmac_sha256(std::string_view key, std::string_view text);

/// Compares in a time that depends on the lengths alone.
[[nodiscard]] bool equal_in_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b);

/// Fills with bytes of the system's cryptographic generator; ends the process if it has none to give.
void fill_random(std::span<std::uint8_t> bytes);

}  // namespace pebbles::crypto
