#include <array>

#include "cursor_target.hpp"

/// Places of lists, in all orders: `choice` is the order and its direction, and whether names begin with `s`.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pebbles;
  constexpr std::array<std::string_view, 6> sorts{"-updatedAt", "updatedAt", "-createdAt",
                                                  "createdAt",  "-filename", "filename"};
  const auto input = fuzz::read_input(data, size);
  const auto sort = input.choice % sorts.size();
  store::ListQuery list;
  list.sort = {.by = static_cast<store::ListOrder>(sort / 2), .descending = sort % 2 == 0};
  std::string target = "/clients/krn:a/progress?format=json&limit=" + std::to_string(input.limit % 4 + 1) + "&sort=";
  target += sorts.at(sort);
  if (input.choice / sorts.size() % 2 == 1) {
    list.filename_prefix = "s";
    target += "&filenamePrefix=s";
  }
  const bool is_place = query::decode_list(list, input.place).has_value();
  fuzz::walk(input, query::scope_of(fuzz::tenant(), list), target + "&cursor=", is_place);
  return 0;
}
