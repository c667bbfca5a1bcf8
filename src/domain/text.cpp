#include "domain/text.hpp"

#include <cstddef>

namespace pebbles::domain {
namespace {

constexpr std::size_t email_bytes_max = 320;

}  // namespace

bool has_control_character(std::string_view text) {
  unsigned char before = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return true;
    // In UTF-8, U+0080 to U+009F are C2 80 to C2 9F, and C2 is never anything but a first byte.
    if (before == 0xc2 && byte < 0xa0) return true;
    before = byte;
  }
  return false;
}

bool is_valid_email(std::string_view email) {
  if (email.size() > email_bytes_max) return false;
  if (email.find(' ') != std::string_view::npos || has_control_character(email)) return false;
  const auto at = email.find('@');
  if (at == 0 || at == std::string_view::npos) return false;
  const auto host = email.substr(at + 1);
  if (host.size() < 3 || host.find('@') != std::string_view::npos) return false;
  // Some dot with something on both of its sides; a dot at an end is not it.
  return host.substr(1, host.size() - 2).find('.') != std::string_view::npos;
}

}  // namespace pebbles::domain
