#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pebbles {

/// Appends two lower-case hexadecimal digits per byte.
void append_hex(std::string& out, std::span<const std::uint8_t> bytes);
[[nodiscard]] std::string to_hex(std::span<const std::uint8_t> bytes);

/// Fills `bytes` from exactly twice as many hexadecimal digits of either case; false (and `bytes` unspecified) for
/// anything else.
[[nodiscard]] bool from_hex(std::string_view digits, std::span<std::uint8_t> bytes);

}  // namespace pebbles
