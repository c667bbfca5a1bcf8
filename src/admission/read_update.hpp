#pragma once
#include <simdjson.h>

#include <expected>
#include <string_view>

#include "admission/update.hpp"

/// The two halves of `parse_update`, for documents that hold an update inside.
namespace pebbles::admission {

/// The object that `text` is, or why it is none; `what` names it in that text ("the body"). At most `update_bytes_max`
/// bytes. What it returns is valid until the thread's next parse.
[[nodiscard]] std::expected<simdjson::dom::object, Fault> parse_object(std::string_view text, std::string_view what);

/// As `parse_update` judges it. Pointers of faults begin at `document`.
[[nodiscard]] std::variant<Update, Faults> read_update(const simdjson::dom::object& document);

}  // namespace pebbles::admission
