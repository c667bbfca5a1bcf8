#pragma once
#include <string>
#include <string_view>

#include "egress/query/item_walk.hpp"

/// How one error or warning looks outside.
namespace pebbles::query {

/// `{"line":1,"message":"…","at":"…","version":7}`: what a record shows of it, and of which update it is.
void append_item_json(std::string& out, const ItemWalk& walk);

/// The first row of a table of them, and a row (RFC 4180).
void append_csv_header(std::string& out, char delimiter);
void append_item_csv(std::string& out, const ItemWalk& walk, char delimiter);

/// One field of somebody's text, quoted where it must be. What a spreadsheet would take for a formula gets an
/// apostrophe in front, as OWASP advises ("CSV Injection"): it begins with `=`, `+`, `-`, `@`, a tab or a line end, or
/// the full-width forms of the first four, after whatever a spreadsheet does not show, and is no plain number as a
/// whole. So has such a sign where a cell begins inside of the text for a spreadsheet that takes a semicolon or a tab
/// for the separator.
void append_csv_text(std::string& out, std::string_view text);

}  // namespace pebbles::query
