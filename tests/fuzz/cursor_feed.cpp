#include <array>

#include "cursor_target.hpp"

/// Places in a tenant's feed: `choice` is the format.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pebbles;
  constexpr std::array<std::string_view, 3> formats{"json", "json", "ndjson"};
  const auto input = fuzz::read_input(data, size);
  std::string target = "/clients/krn:a/events?format=";
  target += formats.at(input.choice % formats.size());
  target += "&limit=" + std::to_string(input.limit) + "&after=";
  fuzz::walk(input, {query::CursorKind::feed, fuzz::tenant()}, target, query::decode_feed(input.place).has_value());
  return 0;
}
