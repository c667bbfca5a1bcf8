#include "egress/query/item_text.hpp"

#include <algorithm>
#include <array>

#include "base/clock.hpp"
#include "json/writer.hpp"
#include "store/log_format.hpp"

namespace pebbles::query {
namespace {

/// Where some spreadsheets, as their user has set them, begin another cell, whatever quotes say: they look for these
/// only at the beginning of what is a cell to them.
bool ends_cell(char c) { return c == ';' || c == '\t' || c == '\r' || c == '\n'; }

/// What spreadsheets drop or trim where a cell begins: controls, spaces, and marks without width (Unicode's categories
/// Cc, Z and Cf, as far as they are common).
std::string_view without_invisible(std::string_view text) {
  constexpr std::array<std::string_view, 39>
      marks{"\xc2\x85",     "\xc2\xa0",     "\xc2\xad",     "\xcd\x8f",     "\xe1\x9a\x80",
            "\xe1\xa0\x8e",  // U+0085 to U+180E
            "\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84",
            "\xe2\x80\x85",  // U+2000 on
            "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\x8b",
            "\xe2\x80\x8c", "\xe2\x80\x8d", "\xe2\x80\x8e", "\xe2\x80\x8f", "\xe2\x80\xa8", "\xe2\x80\xa9",
            "\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac", "\xe2\x80\xad", "\xe2\x80\xae", "\xe2\x80\xaf",
            "\xe2\x81\x9f", "\xe2\x81\xa0", "\xe2\x81\xa6", "\xe2\x81\xa7", "\xe2\x81\xa8", "\xe2\x81\xa9",
            "\xe3\x80\x80", "\xef\xbb\xbf", "\xe3\x85\xa4"};  // U+3000, U+FEFF, U+3164
  for (;;) {
    if (text.empty()) return text;
    const auto first = static_cast<unsigned char>(text.front());
    if ((first <= ' ' && !ends_cell(text.front())) || first == 0x7f) {
      text.remove_prefix(1);
      continue;
    }
    const auto* const mark = std::ranges::find_if(marks, [&](std::string_view each) { return text.starts_with(each); });
    if (mark == marks.end()) return text;
    text.remove_prefix(mark->size());
  }
}

/// Digits with a sign, one decimal point or comma, and an exponent: what a spreadsheet takes for a number, and no more.
bool is_plain_number(std::string_view text) {
  const auto skip_digits = [&text] {
    const auto count = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(count);
    return count;
  };
  const auto skip_one_of = [&text](std::string_view characters) {
    const bool is_there = !text.empty() && characters.contains(text.front());
    if (is_there) text.remove_prefix(1);
    return is_there;
  };
  skip_one_of("+-");
  auto digits = skip_digits();
  if (skip_one_of(".,")) digits += skip_digits();
  if (digits == 0) return false;
  if (!skip_one_of("eE")) return text.empty();
  skip_one_of("+-");
  return skip_digits() > 0 && text.empty();
}

/// Whether a spreadsheet would take the cell that begins here for a formula.
bool begins_formula(std::string_view text) {
  const auto cell = without_invisible(text);
  if (cell.empty()) return false;
  if (std::string_view{"=+-@"}.contains(cell.front())) return true;
  // U+FF1D, U+FF0B, U+FF0D, U+FF20, which some spreadsheets read alike.
  constexpr std::array<std::string_view, 4> wide{"\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0"};
  return std::ranges::any_of(wide, [&](std::string_view sign) { return cell.starts_with(sign); });
}

}  // namespace

void append_item_json(std::string& out, const ItemWalk& walk) {
  out += '{';
  store::append_item_members(out, walk.item());
  out += R"(,"at":")";
  append_rfc3339(out, walk.at());
  out += R"(","version":)";
  json::append_integer(out, walk.version());
  out += '}';
}

void append_csv_header(std::string& out, char delimiter) {
  constexpr std::array<std::string_view, 7> names{"line", "message", "code", "field", "value", "at", "version"};
  for (const auto name : names) {
    if (name != names.front()) out += delimiter;
    out += name;
  }
  out += "\r\n";
}

void append_item_csv(std::string& out, const ItemWalk& walk, char delimiter) {
  const auto& item = walk.item();
  if (item.line) json::append_integer(out, *item.line);
  for (const auto* text : {&item.message, &item.code, &item.field, &item.value}) {
    out += delimiter;
    append_csv_text(out, *text);
  }
  out += delimiter;
  append_rfc3339(out, walk.at());
  out += delimiter;
  json::append_integer(out, walk.version());
  out += "\r\n";
}

void append_csv_text(std::string& out, std::string_view text) {
  const bool is_marked = !is_plain_number(text) && (begins_formula(text) || text.find_first_of("\t\r\n") == 0);
  const bool is_quoted =
      is_marked || text.find_first_of(",;\"\t\r\n") != text.npos || text.starts_with(' ') || text.ends_with(' ');
  if (!is_quoted) {
    out += text;
    return;
  }
  out += '"';
  if (is_marked) out += '\'';
  bool begins_cell = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (begins_cell && begins_formula(text.substr(i))) out += '\'';
    out += text[i];
    if (text[i] == '"')
      out += '"';  // and where a cell begins, these two are nothing: what follows them still begins it
    else
      begins_cell = ends_cell(text[i]);
  }
  out += '"';
}

}  // namespace pebbles::query
