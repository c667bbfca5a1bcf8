#include "crypto/base64url.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace pebbles::crypto {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t foreign = 0xff;

constexpr auto values = [] {
  std::array<std::uint8_t, 256> out;
  out.fill(foreign);
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    out[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  return out;
}();

std::uint8_t value_of(char c) { return values[static_cast<unsigned char>(c)]; }

}  // namespace

std::string to_base64url(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  int waiting = 0;
  for (const char c : bytes) {
    bits = bits << 8U | static_cast<unsigned char>(c);
    for (waiting += 8; waiting >= 6; waiting -= 6) out.push_back(alphabet[bits >> (waiting - 6) & 63U]);
  }
  if (waiting > 0) out.push_back(alphabet[bits << (6 - waiting) & 63U]);
  return out;
}

bool is_base64url(std::string_view text) {
  std::uint8_t seen = 0;
  for (const char c : text) seen |= value_of(c);
  if ((seen & 0xc0U) != 0) return false;
  // Two letters hold 12 bits for one byte, three hold 18 for two: what is over has to be zero, or the same bytes would
  // have several spellings. One letter alone holds no byte.
  switch (text.size() % 4) {
    case 1: return false;
    case 2: return (value_of(text.back()) & 15U) == 0;
    case 3: return (value_of(text.back()) & 3U) == 0;
    default: return true;
  }
}

std::optional<std::string> from_base64url(std::string_view text) {
  if (!is_base64url(text)) return std::nullopt;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int waiting = 0;
  for (const char c : text) {
    bits = bits << 6U | value_of(c);
    waiting += 6;
    if (waiting < 8) continue;
    waiting -= 8;
    out.push_back(static_cast<char>(bits >> waiting & 255U));
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0 || text.find_first_of("-_") != text.npos) return std::nullopt;
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  std::string url_safe{text};
  std::ranges::replace(url_safe, '+', '-');
  std::ranges::replace(url_safe, '/', '_');
  return from_base64url(url_safe);
}

}  // namespace pebbles::crypto
