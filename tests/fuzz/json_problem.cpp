#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "json/parser.hpp"
#include "json/problem.hpp"

/// What our scanner has nothing against is JSON to the parser, and the other way round; its place is within the text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pebbles;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const bool is_json = json::parse(text).error() == simdjson::SUCCESS;
  const auto problem = json::find_problem(text);
  PEBBLES_ASSERT(is_json == !problem, "the scanner and the parser differ");
  if (!problem) return 0;
  PEBBLES_ASSERT(!problem->what.empty() && problem->offset <= size, "a problem without a place");
  PEBBLES_ASSERT(simdjson::validate_utf8(problem->what.data(), problem->what.size()), "an answer would not be UTF-8");
  (void)json::place_of(text, problem->offset);
  return 0;
}
