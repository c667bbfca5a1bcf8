#include "json/parser.hpp"

namespace pebbles::json {
namespace {

constexpr std::size_t depth_max = 64;
constexpr std::size_t kept_bytes_max = 4UL << 20U;

simdjson::dom::parser make_parser() {
  simdjson::dom::parser parser;
  const auto error = parser.allocate(64UL << 10U, depth_max);
  if (error) throw std::bad_alloc{};
  return parser;
}

}  // namespace

simdjson::simdjson_result<simdjson::dom::element> parse(std::string_view text) {
  thread_local simdjson::dom::parser parser = make_parser();
  // A huge document must not leave its memory with the thread for ever.
  if (parser.capacity() > kept_bytes_max && text.size() <= kept_bytes_max) parser = make_parser();
  return parser.parse(text.data(), text.size());
}

std::string_view text_in(const simdjson::dom::object& object, std::string_view name) {
  std::string_view text;
  return object[name].get(text) == simdjson::SUCCESS ? text : std::string_view{};
}

}  // namespace pebbles::json
