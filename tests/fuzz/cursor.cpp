#include "egress/query/cursor.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"

namespace {

using namespace pebbles;

/// The input's lines, of which the last holds all that is left.
std::string_view take_line(std::string_view& rest) {
  const auto end = std::min(rest.find('\n'), rest.size());
  const auto out = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return out;
}

/// What is decoded is written as it stood there.
void decode(const store::ListQuery& list, std::string_view bytes) {
  if (const auto place = query::decode_item(bytes))
    PEBBLES_ASSERT(query::encode(*place) == bytes, "a place of items is written in two ways");
  if (const auto place = query::decode_history(bytes))
    PEBBLES_ASSERT(query::encode(*place) == bytes, "a place of a history is written in two ways");
  if (const auto place = query::decode_feed(bytes))
    PEBBLES_ASSERT(query::encode(*place) == bytes, "a place of a feed is written in two ways");
  if (const auto place = query::decode_list(list, bytes))
    PEBBLES_ASSERT(query::encode(list.sort, *place) == bytes, "a place of a list is written in two ways");
}

}  // namespace

/// Lines: a client, an owner (none if empty), a made-up cursor; then the bytes of a place. A made-up cursor is refused,
/// and so is one that was made for anything else, or that was changed. What walks from a place is tried by cursor_list,
/// cursor_items, cursor_history and cursor_feed.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const query::CursorCodec codec{store::draw_cursor_key()}, other_key{store::draw_cursor_key()};
  std::string_view rest{reinterpret_cast<const char*>(data), size};
  const domain::ClientKrn client{std::string{take_line(rest)}};
  store::ListQuery list;
  if (const auto owner = take_line(rest); !owner.empty()) list.owner = domain::Email{std::string{owner}};
  list.sort.by = static_cast<store::ListOrder>(size % 3);
  const auto made_up = take_line(rest);
  const auto scope = query::scope_of(client, list);
  PEBBLES_ASSERT(!codec.read_list(scope, list, made_up), "a cursor that was never made was accepted");
  decode(list, rest);

  const auto cursor = codec.seal(scope, rest);
  PEBBLES_ASSERT(codec.read_list(scope, list, cursor) == query::decode_list(list, rest), "it is not read as made");
  const domain::ClientKrn other_client{*client + "x"};
  auto other_owner = list, other_way = list;
  other_owner.owner = domain::Email{list.owner ? **list.owner + "x" : "x"};
  other_way.sort.descending = false;
  PEBBLES_ASSERT(!codec.read_list(query::scope_of(other_client, list), list, cursor), "another client's cursor");
  PEBBLES_ASSERT(!codec.read_list(query::scope_of(client, other_owner), list, cursor), "another owner's cursor");
  PEBBLES_ASSERT(!codec.read_list(query::scope_of(client, other_way), list, cursor), "a cursor of the other order");
  PEBBLES_ASSERT(!other_key.read_list(scope, list, cursor), "a cursor of another key");
  for (std::size_t i = 0; i < cursor.size(); ++i) {
    auto changed = cursor;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    PEBBLES_ASSERT(!codec.read_list(scope, list, changed), "a changed cursor was accepted");
    PEBBLES_ASSERT(!codec.read_list(scope, list, std::string_view{cursor}.substr(0, i)), "half a cursor was accepted");
  }
  return 0;
}
