#pragma once
#include <simdjson.h>

#include <expected>
#include <string_view>

#include "admission/update.hpp"

/// The parts of `parse_update`, for documents that hold updates inside.
namespace pebbles::admission {

/// A text that should be JSON.
struct Source {
  std::string_view text;
  std::string_view what;        ///< names it in texts of faults: "the body"
  std::string_view whole = {};  ///< what `text` is a part of, so that lines are counted there; empty: it is all
};

/// Why a text is no JSON that can be read.
struct Malformed {
  Fault fault;
  bool is_syntax = false;  ///< false: where its values begin and end is clear, but one of them cannot be read
};

/// Precondition: `source.text` cannot be parsed.
[[nodiscard]] Malformed explain(const Source& source);

/// The JSON that the text is. What it returns is valid until the thread's next parse.
[[nodiscard]] std::expected<simdjson::dom::element, Malformed> parse_value(const Source& source);

/// The object that `value` is; else says so.
[[nodiscard]] std::expected<simdjson::dom::object, Fault> object_in(simdjson::dom::element value,
                                                                    std::string_view what);

/// The object that the text is, or why it is none. At most `update_bytes_max` bytes.
[[nodiscard]] std::expected<simdjson::dom::object, Fault> parse_object(const Source& source);

/// The members of the update that an object is. Pointers of faults begin at it.
[[nodiscard]] std::variant<Update, Faults> read_members(const simdjson::dom::object& update);

/// As `parse_update` judges it, with the envelope of an event around it or without.
[[nodiscard]] std::variant<Update, Faults> read_update(const simdjson::dom::object& document);

}  // namespace pebbles::admission
