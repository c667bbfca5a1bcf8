#include <array>

#include "base/hex.hpp"
#include "cursor_target.hpp"

/// Places among errors and warnings: `choice` is the file, the kind and the format.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pebbles;
  constexpr std::array<std::string_view, 4> formats{"json", "json", "csv", "ndjson"};
  const auto input = fuzz::read_input(data, size);
  const auto& id = fuzz::file(input.choice);
  const bool errors = input.choice / 3 % 2 == 0;
  query::CursorScope scope{errors ? query::CursorKind::errors : query::CursorKind::warnings, fuzz::tenant()};
  scope.add(std::string_view{reinterpret_cast<const char*>(id.data()), id.size()});
  scope.add(std::optional<std::int64_t>{}).add(std::optional<std::int64_t>{}).add(std::string_view{});
  std::string target = "/clients/krn:a/progress/" + to_hex(id) + (errors ? "/errors?format=" : "/warnings?format=");
  target += formats.at(input.choice / 6 % formats.size());
  target += "&limit=" + std::to_string(input.limit) + "&cursor=";
  fuzz::walk(input, scope, target, query::decode_item(input.place).has_value());
  return 0;
}
