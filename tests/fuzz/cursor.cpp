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

store::ListPosition position_of(store::ListOrder order, std::string_view bytes) {
  std::uint64_t milliseconds = 0;
  store::ListPosition out{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(bytes[i]);
    if (i < 8)
      milliseconds = milliseconds << 8U | byte;
    else if (i < 8 + out.id.size())
      out.id[i - 8] = byte;
  }
  if (order == store::ListOrder::updated)
    out.updated_at = Timestamp{std::chrono::milliseconds{static_cast<std::int64_t>(milliseconds)}};
  if (order == store::ListOrder::filename) out.filename = domain::Filename{std::string{bytes}};
  return out;
}

}  // namespace

/// Lines: a client, an owner (none if empty), a made-up cursor; then a position. What is made is read again, for its
/// own list alone; every other text is refused.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest{reinterpret_cast<const char*>(data), size};
  const domain::ClientKrn client{std::string{take_line(rest)}};
  std::optional<domain::Email> owner{domain::Email{std::string{take_line(rest)}}};
  if ((*owner)->empty()) owner.reset();
  const auto made_up = take_line(rest);
  store::ListQuery list;
  list.owner = owner;
  list.sort.by = static_cast<store::ListOrder>(size % 3);
  if (const auto read = query::read_cursor(client, list, made_up))
    PEBBLES_ASSERT(query::make_cursor(client, list, *read) == made_up, "a cursor that was never made was accepted");

  const auto position = position_of(list.sort.by, rest);
  const auto cursor = query::make_cursor(client, list, position);
  const auto read = query::read_cursor(client, list, cursor);
  PEBBLES_ASSERT(read == position, "what was made was not read back");
  const domain::ClientKrn other_client{*client + "x"};
  auto other_owner = list, nobody = list, other_way = list;
  other_owner.owner = domain::Email{owner ? **owner + "x" : "x"};
  nobody.owner.reset();
  other_way.sort.descending = false;
  PEBBLES_ASSERT(!query::read_cursor(other_client, list, cursor), "another client's cursor");
  PEBBLES_ASSERT(!query::read_cursor(client, other_owner, cursor), "another owner's cursor");
  PEBBLES_ASSERT(!owner || !query::read_cursor(client, nobody, cursor), "a narrower cursor");
  PEBBLES_ASSERT(!query::read_cursor(client, other_way, cursor), "a cursor of the other order");
  for (std::size_t i = 0; i < cursor.size(); ++i) {
    auto changed = cursor;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    PEBBLES_ASSERT(!query::read_cursor(client, list, changed), "a changed cursor was accepted");
    // A name may have been chosen so that the half of its cursor is the cursor of half of it.
    PEBBLES_ASSERT(list.sort.by == store::ListOrder::filename || !query::read_cursor(client, list, cursor.substr(0, i)),
                   "half a cursor was accepted");
  }
  return 0;
}
