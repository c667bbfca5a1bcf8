#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "egress/query/cursor.hpp"
#include "egress/query/item_walk.hpp"

/// What the targets share that decode a place and walk from it. The real handlers answer over the loopback interface,
/// from a store with a few files; the bytes that the fuzzer makes are sealed with that store's key. So authentication
/// keeps nothing out, without a switch for it in the server.
namespace pebbles::fuzz {

/// An input: the first byte's lowest bit chooses the store, the others are `choice`; the second byte is the limit.
struct Input {
  bool in_sqlite = false;
  unsigned choice = 0;
  unsigned limit = 1;
  std::string_view place;
};
[[nodiscard]] Input read_input(const std::uint8_t* data, std::size_t size);

/// The tenant, and its three files: many updates, a second life, nothing but one update.
[[nodiscard]] const domain::ClientKrn& tenant();
[[nodiscard]] const domain::FileId& file(unsigned choice);

/// Asks for what is behind the place, and for two more pages by the links, or the next places, in the answers. Ends the
/// process unless each is one that there can be: 400 just where `is_place` is false.
/// `target` is all but the cursor, and ends with `cursor=` or `after=`.
void walk(const Input& input, const query::CursorScope& scope, std::string_view target, bool is_place);

}  // namespace pebbles::fuzz
