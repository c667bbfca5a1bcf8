#pragma once
#include <simdjson.h>

#include <string_view>

namespace pebbles::json {

/// Parses with a parser that this thread keeps, so that nothing is allocated for ordinary documents. What it returns
/// is valid until the thread's next call. `text` needs no padding (it is copied); depth is limited to 64.
[[nodiscard]] simdjson::simdjson_result<simdjson::dom::element> parse(std::string_view text);

/// The text that a member has; empty when there is no such member, or it is no text. Valid as long as the document.
[[nodiscard]] std::string_view text_in(const simdjson::dom::object& object, std::string_view name);

}  // namespace pebbles::json
