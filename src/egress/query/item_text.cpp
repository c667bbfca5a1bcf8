#include "egress/query/item_text.hpp"

#include <algorithm>
#include <array>

#include "base/clock.hpp"
#include "json/writer.hpp"
#include "store/log_format.hpp"

namespace pebbles::query {
namespace {

bool begins_formula(std::string_view text) {
  if (text.empty()) return false;
  if (std::string_view{"=+-@"}.contains(text.front())) return true;
  // U+FF1D, U+FF0B, U+FF0D, U+FF20, which some spreadsheets read alike.
  constexpr std::array<std::string_view, 4> wide{"\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0"};
  return std::ranges::any_of(wide, [&](std::string_view sign) { return text.starts_with(sign); });
}

/// Where some spreadsheets, as their user has set them, begin another cell, whatever quotes say: they look for these
/// only at the beginning of what is a cell to them.
bool ends_cell(char c) { return c == ';' || c == '\t' || c == '\r' || c == '\n'; }

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
  const bool is_marked = begins_formula(text) || text.find_first_of("\t\r\n") == 0;
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
