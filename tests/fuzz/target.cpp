#include "http/target.hpp"

#include <simdjson.h>

#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"

namespace {

using namespace pebbles;

void check_text(std::string_view text) {
  PEBBLES_ASSERT(simdjson::validate_utf8(text.data(), text.size()), "what is not UTF-8 got through");
  PEBBLES_ASSERT(text.find('\0') == text.npos, "a NUL got through");
}

std::string rendered(const http::Target& target) {
  std::string out;
  for (const auto& segment : target.path) {
    out += '/';
    http::append_percent_encoded(out, segment);
  }
  for (const auto& [name, value] : target.query) {
    out += &name == &target.query.front().first ? '?' : '&';
    http::append_percent_encoded(out, name);
    out += '=';
    http::append_percent_encoded(out, value);
  }
  return out;
}

}  // namespace

/// What is understood is text, within bounds, and written out and read again it says the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view raw{reinterpret_cast<const char*>(data), size};
  const auto target = http::parse_target(raw);
  if (!target) return 0;
  PEBBLES_ASSERT(!target->path.empty() && target->path.size() <= http::path_segments_max, "too many segments");
  PEBBLES_ASSERT(target->query.size() <= http::parameters_max, "too many parameters");
  for (const auto& segment : target->path) check_text(segment);
  for (const auto& [name, value] : target->query) {
    check_text(name);
    check_text(value);
    PEBBLES_ASSERT(target->parameter(name) != nullptr && target->count_of(name) > 0, "a parameter that isn't found");
  }
  const auto again = http::parse_target(rendered(*target));
  PEBBLES_ASSERT(again && again->path == target->path && again->query == target->query,
                 "a target changed when it was written anew");
  return 0;
}
