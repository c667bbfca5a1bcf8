#include <array>

#include "base/hex.hpp"
#include "cursor_target.hpp"

/// Places in a file's history: `choice` is the file and the format.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pebbles;
  constexpr std::array<std::string_view, 3> formats{"json", "json", "ndjson"};
  const auto input = fuzz::read_input(data, size);
  const auto& id = fuzz::file(input.choice);
  query::CursorScope scope{query::CursorKind::history, fuzz::tenant()};
  scope.add(std::string_view{reinterpret_cast<const char*>(id.data()), id.size()});
  std::string target = "/clients/krn:a/progress/" + to_hex(id) + "/events?format=";
  target += formats.at(input.choice / 3 % formats.size());
  target += "&limit=" + std::to_string(input.limit) + "&cursor=";
  fuzz::walk(input, scope, target, query::decode_history(input.place).has_value());
  return 0;
}
