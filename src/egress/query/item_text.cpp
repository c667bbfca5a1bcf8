#include "egress/query/item_text.hpp"

#include <algorithm>
#include <array>

#include "base/clock.hpp"
#include "json/writer.hpp"
#include "store/log_format.hpp"

namespace pebbles::query {
namespace {

bool looks_like_a_formula(std::string_view text) {
  if (text.empty()) return false;
  if (std::string_view{"=+-@\t\r\n"}.find(text.front()) != std::string_view::npos) return true;
  // U+FF1D, U+FF0B, U+FF0D, U+FF20, which some spreadsheets read alike.
  constexpr std::array<std::string_view, 4> wide{"\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0"};
  return std::ranges::any_of(wide, [&](std::string_view sign) { return text.starts_with(sign); });
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

void append_csv_header(std::string& out) { out += "line,message,code,field,value,at,version\r\n"; }

void append_item_csv(std::string& out, const ItemWalk& walk) {
  const auto& item = walk.item();
  if (item.line) json::append_integer(out, *item.line);
  for (const auto* text : {&item.message, &item.code, &item.field, &item.value}) {
    out += ',';
    append_csv_text(out, *text);
  }
  out += ',';
  append_rfc3339(out, walk.at());
  out += ',';
  json::append_integer(out, walk.version());
  out += "\r\n";
}

void append_csv_text(std::string& out, std::string_view text) {
  const bool is_marked = looks_like_a_formula(text);
  const bool is_quoted =
      is_marked || text.find_first_of(",\"\r\n") != text.npos || text.starts_with(' ') || text.ends_with(' ');
  if (!is_quoted) {
    out += text;
    return;
  }
  out += '"';
  if (is_marked) out += '\'';
  for (auto quote = text.find('"'); quote != text.npos; quote = text.find('"')) {
    out.append(text.substr(0, quote + 1)) += '"';
    text.remove_prefix(quote + 1);
  }
  out += text;
  out += '"';
}

}  // namespace pebbles::query
