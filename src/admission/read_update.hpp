#pragma once
#include <simdjson.h>

#include <expected>
#include <string_view>

#include "admission/update.hpp"

/// The parts of `parse_update`, for documents that hold updates inside.
namespace pebbles::admission {

/// The JSON that `text` is, or why it is none; `what` names it in that text ("the body"). What it returns is valid
/// until the thread's next parse.
[[nodiscard]] std::expected<simdjson::dom::element, Fault> parse_value(std::string_view text, std::string_view what);

/// The object that `value` is; else says so.
[[nodiscard]] std::expected<simdjson::dom::object, Fault> object_in(simdjson::dom::element value,
                                                                    std::string_view what);

/// The object that `text` is, or why it is none. At most `update_bytes_max` bytes.
[[nodiscard]] std::expected<simdjson::dom::object, Fault> parse_object(std::string_view text, std::string_view what);

/// As `parse_update` judges it. Pointers of faults begin at `document`.
[[nodiscard]] std::variant<Update, Faults> read_update(const simdjson::dom::object& document);

}  // namespace pebbles::admission
