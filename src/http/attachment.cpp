#include "http/attachment.hpp"

#include <algorithm>

#include "http/target.hpp"

namespace pebbles::http {
namespace {

constexpr std::size_t stem_bytes_max = 150;  // most file systems take 255 bytes, and browsers add " (1)"

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == ' ';
}

/// The bytes of the character that begins here, as UTF-8 says.
std::size_t character_bytes(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

/// Marks and overrides that make "exe.csv" look like "vsc.exe": U+061C, U+200B..U+200F, U+2028..U+202E, U+2060..U+206F,
/// U+FEFF; and the controls U+0080..U+009F.
bool is_invisible(std::string_view character) {
  if (character == "\xd8\x9c" || character == "\xef\xbb\xbf") return true;
  if (character.size() == 2) return character[0] == '\xc2' && static_cast<unsigned char>(character[1]) < 0xa0;
  if (character.size() != 3 || character[0] != '\xe2') return false;
  const auto last = static_cast<unsigned char>(character[2]);
  if (character[1] == '\x80') return (last >= 0x8b && last <= 0x8f) || (last >= 0xa8 && last <= 0xae);
  return character[1] == '\x81' && last >= 0xa0 && last <= 0xaf;
}

}  // namespace

std::string attachment(std::string_view stem, std::string_view ending) {
  const auto slash = stem.find_last_of("/\\");
  if (slash != stem.npos) stem.remove_prefix(slash + 1);
  std::string ascii, full;
  while (!stem.empty()) {
    const auto character = stem.substr(0, character_bytes(stem.front()));
    stem.remove_prefix(character.size());
    if (full.size() + character.size() > stem_bytes_max) break;
    const bool is_ascii = character.size() == 1;
    const bool is_shown = is_ascii ? is_plain(character.front()) : !is_invisible(character);
    full += is_shown ? character : "_";
    ascii += is_ascii && is_shown ? character.front() : '_';
  }
  for (auto* text : {&ascii, &full}) {
    // No hidden file, no `..`, nothing that a file system cuts off.
    const auto start = std::min(text->find_first_not_of(". "), text->size());
    text->erase(0, start);
    if (text->empty()) *text = "file";
    *text += ending;
  }
  std::string out = "attachment; filename=\"" + ascii + "\"; filename*=UTF-8''";
  append_percent_encoded(out, full);
  return out;
}

}  // namespace pebbles::http
