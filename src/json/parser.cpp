#include "json/parser.hpp"

#include <optional>

namespace pebbles::json {
namespace {

simdjson::dom::parser make_parser() {
  simdjson::dom::parser parser;
  const auto error = parser.allocate(kept_text_bytes_max, depth_max);
  if (error) throw std::bad_alloc{};
  return parser;
}

/// For a text that is larger than what is kept. It fits the text: simdjson grows without ever shrinking.
thread_local std::optional<simdjson::dom::parser> large_parser;

}  // namespace

simdjson::simdjson_result<simdjson::dom::element> parse(std::string_view text) {
  large_parser.reset();
  if (text.size() > kept_text_bytes_max) {
    auto& parser = large_parser.emplace();
    if (parser.allocate(text.size(), depth_max)) throw std::bad_alloc{};
    return parser.parse(text.data(), text.size());
  }
  thread_local simdjson::dom::parser parser = make_parser();
  return parser.parse(text.data(), text.size());
}

void release_memory() { large_parser.reset(); }

std::string_view text_in(const simdjson::dom::object& object, std::string_view name) {
  std::string_view text;
  return object[name].get(text) == simdjson::SUCCESS ? text : std::string_view{};
}

}  // namespace pebbles::json
